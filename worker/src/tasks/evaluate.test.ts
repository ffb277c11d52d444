// Evaluate tasks through the executor: element types both ways, fetched outputs, external data, errors.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import type { MessageInitShape } from '@bufbuild/protobuf';
import {
  create,
  ElementType,
  EvaluateTaskSchema,
  KronlensError,
  type TaskResult,
  type TensorSchema,
} from '@kronlens/proto';
import { fixture, taskOf, Workbench } from '../testing/workbench.js';

type Feed = MessageInitShape<typeof TensorSchema>;

const bytesOf = (values: ArrayBufferView<ArrayBuffer>) => new Uint8Array(values.buffer);

const floats = (name: string, values: readonly number[], shape: readonly number[]): Feed => ({
  name,
  type: ElementType.FLOAT32,
  shape: shape.map(BigInt),
  data: bytesOf(Float32Array.from(values)),
});

async function evaluate(
  bench: Workbench,
  model: string,
  feeds: Feed[],
  fetch: string[],
  folder = '',
): Promise<TaskResult> {
  const bytes = await readFile(fixture(`programs/${model}.onnx`));
  const task = create(EvaluateTaskSchema, { model: bytes, feeds, fetch, folder });
  return await bench.executor.execute(taskOf({ case: 'evaluate', value: task }));
}

/** What casting 0, 1 and 2 to each type gives, as bytes. */
const CASTS: Readonly<Record<string, ArrayBufferView<ArrayBuffer>>> = {
  FLOAT16: Uint16Array.of(0, 0x3c00, 0x4000),
  FLOAT64: Float64Array.of(0, 1, 2),
  INT8: Int8Array.of(0, 1, 2),
  INT16: Int16Array.of(0, 1, 2),
  INT32: Int32Array.of(0, 1, 2),
  INT64: BigInt64Array.of(0n, 1n, 2n),
  UINT8: Uint8Array.of(0, 1, 2),
  UINT16: Uint16Array.of(0, 1, 2),
  UINT32: Uint32Array.of(0, 1, 2),
  UINT64: BigUint64Array.of(0n, 1n, 2n),
  BOOL: Uint8Array.of(0, 1, 1),
};

test('every element type comes out as its bytes', () =>
  Workbench.use({}, async (bench) => {
    const fetch = Object.keys(CASTS).map((type) =>
      type === 'FLOAT64' ? 'double' : type.toLowerCase(),
    );
    const { tensors } = await evaluate(bench, 'types', [floats('x', [0, 1, 2], [3])], fetch);
    assert.equal(tensors.length, fetch.length);
    for (const { type, shape, data } of tensors) {
      const expected = CASTS[ElementType[type] ?? ''];
      assert.ok(expected !== undefined, `an output of type ${type}`);
      assert.deepEqual([shape, data], [[3n], bytesOf(expected)], ElementType[type]);
    }
  }));

test('every element type goes in: a model that passes its inputs on gives them back', () =>
  Workbench.use({}, async (bench) => {
    const types = { FLOAT32: Float32Array.of(0, 1, 2), ...CASTS };
    const feeds = Object.entries(types).map(([name, values]) => ({
      name: name.toLowerCase(),
      type: ElementType[name as keyof typeof ElementType],
      shape: [3n],
      data: bytesOf(values),
    }));
    const fetch = feeds.map(({ name }) => `${name}_again`);
    const { tensors } = await evaluate(bench, 'identity', feeds, fetch);
    assert.deepEqual(
      tensors.map(({ name, type, data }) => [name, type, data]),
      feeds.map(({ name, type, data }) => [`${name}_again`, type, data]),
    );
  }));

test('only what is fetched is returned, and the types of all outputs are told', () =>
  Workbench.use({}, async (bench) => {
    const feed = floats('x', [0, 1], [2]);
    const { tensors, types } = await evaluate(bench, 'types', [feed], ['int8']);
    assert.deepEqual(
      tensors.map(({ name }) => name),
      ['int8'],
    );
    const told = Object.fromEntries(types.map(({ name, type }) => [name, ElementType[type]]));
    assert.equal(told.double, 'FLOAT64');
    assert.equal(told.bool, 'BOOL');
    assert.equal(told.string, 'ELEMENT_TYPE_UNSPECIFIED');
    assert.equal(types.length, 12);
    // Without anything to fetch nothing runs, so nothing has to be fed.
    assert.equal((await evaluate(bench, 'types', [], [])).types.length, 12);
  }));

test('scalars and empty tensors cross', () =>
  Workbench.use({}, async (bench) => {
    const { tensors } = await evaluate(bench, 'types', [floats('x', [], [0])], ['int64']);
    assert.deepEqual([tensors[0]?.shape, tensors[0]?.data.byteLength], [[0n], 0]);
  }));

test('external data are found in the folder that the task names', () =>
  Workbench.use({}, async (bench) => {
    const feed = floats('x', [1, 10, 100], [1, 3]);
    const folder = fixture('programs');
    const { tensors } = await evaluate(bench, 'external', [feed], ['z'], folder);
    assert.deepEqual(tensors[0]?.data, bytesOf(Float32Array.of(420, 531)));
    await assert.rejects(evaluate(bench, 'external', [feed], ['z']), { code: 'runtime-failure' });
  }));

test('what ONNX Runtime refuses is one sentence, and text is refused', () =>
  Workbench.use({}, async (bench) => {
    const says = (pattern: RegExp) => (error: unknown) => {
      assert.ok(error instanceof KronlensError);
      assert.match(error.message, pattern);
      assert.ok(!error.message.includes('\n'));
      return true;
    };
    await assert.rejects(
      evaluate(bench, 'external', [floats('x', [1, 2], [1, 2])], ['z'], fixture('programs')),
      says(/^ONNX Runtime cannot run the model: .*x.*Got: 2 Expected: 3/),
    );
    await assert.rejects(
      evaluate(bench, 'types', [floats('x', [1], [1])], ['string']),
      says(/^tensor 'string' is of type string/),
    );
    await assert.rejects(
      evaluate(bench, 'types', [{ ...floats('x', [1], [1]), shape: [2n] }], ['int8']),
      says(/^tensor 'x' \[2\] has 4 bytes instead of 8/),
    );
  }));

test('a process that exits while a model runs ends with its own code', async () => {
  const script = `
    import { readFileSync } from 'node:fs';
    import { create, ElementType, EvaluateTaskSchema, FolderStore, TaskSchema } from '@kronlens/proto';
    import { createExecutor } from ${JSON.stringify(new URL('../index.js', import.meta.url).href)};
    // Among its casts is one to text, which takes seconds for so many values.
    const model = readFileSync(${JSON.stringify(fixture('programs/types.onnx'))});
    const store = new FolderStore('unused');
    const executor = await createExecutor({ store, parallelism: 2, device: 'cpu', linalg: 'portable' });
    const size = 4_000_000;
    const x = { name: 'x', type: ElementType.FLOAT32, shape: [BigInt(size)], data: new Uint8Array(4 * size) };
    const value = create(EvaluateTaskSchema, { model, feeds: [x], fetch: ['int8'] });
    const task = create(TaskSchema, { kind: { case: 'evaluate', value } });
    const run = () => executor.execute(task).then(run);
    run();
    run();
    setTimeout(() => process.exit(5), 1500);
  `;
  const { status, stderr } = spawnSync(
    process.execPath,
    ['--input-type=module', '--eval', script],
    { encoding: 'utf8', timeout: 60_000, cwd: fixture('') },
  );
  assert.deepEqual([status, stderr], [5, '']);
});
