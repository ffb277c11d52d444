// Models that refer to constants in a file give what models that hold them give.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { withEvaluator } from '../embedded.js';
import { decodeModel, encodeModel, tensor } from '../graph/index.js';
import { graph, info, node } from '../testing/small-graph.js';
import { ConstantsFolder } from './constants-folder.js';

/** 1 MiB and a little: the file's next page begins behind it. */
const SIDE = 513;
const weight = (seed: number) =>
  tensor.floatTensor(
    Float32Array.from({ length: SIDE * SIDE }, (_, index) => Math.sin(seed + index)),
    [SIDE, SIDE],
  );
const [first, second] = [weight(1), weight(2)];
const model = graph({
  inputs: [info('x', [1, SIDE])],
  outputs: [info('y', [1, SIDE])],
  nodes: [
    node('MatMul', ['x', 'w1'], ['h']),
    node('MatMul', ['h', 'w2'], ['z']),
    node('Mul', ['z', 'half'], ['y']),
  ],
  initializers: new Map([
    ['w1', first],
    ['w2', second],
    ['half', tensor.floatTensor([0.5], [1])],
  ]),
});

async function opened(t: TestContext): Promise<ConstantsFolder> {
  const constants = await ConstantsFolder.create();
  t.after(() => constants.close());
  return constants;
}

describe('constants in a folder', () => {
  it('are what ONNX Runtime computes with', async () => {
    const x = tensor.floatTensor(Float32Array.from({ length: SIDE }, Math.cos), [1, SIDE]);
    const feeds = new Map([['x', x]]);
    await withEvaluator(new AbortController().signal, async (evaluator) => {
      const run = async (bytes: Uint8Array) =>
        (await evaluator.evaluate(bytes, feeds, ['y'])).tensors.get('y')?.bytes;
      const referring = encodeModel(model, { constants: evaluator.constants });
      assert.ok(referring.byteLength < 1000);
      assert.deepEqual(await run(referring), await run(encodeModel(model)));
    });
  });

  it('are written once, at the beginning of a page', async (t) => {
    const constants = await opened(t);
    assert.equal(constants.folder, '');
    const places = [first, second, first].map(({ bytes }) => constants.place(bytes));
    assert.deepEqual(
      places.map((place) => place?.offset),
      [0, 1056768, 0],
    );
    const file = readFileSync(join(constants.folder, places[0]?.location ?? ''));
    assert.equal(file.byteLength, 1056768 + SIDE * SIDE * 4);
  });

  it('are read back from a model that refers to them', async (t) => {
    const constants = await opened(t);
    const read = decodeModel(encodeModel(model, { constants }), 'referring', constants.folder);
    assert.deepEqual(
      [...read.initializers].map(([name, { bytes }]) => [name, Buffer.from(bytes).toString('hex')]),
      [...model.initializers].map(([name, { bytes }]) => [
        name,
        Buffer.from(bytes).toString('hex'),
      ]),
    );
  });

  it('stay in the model when they are small or cannot be written', async (t) => {
    const constants = await opened(t);
    assert.equal(constants.place(new Uint8Array(2 ** 20 - 1)), undefined);
    const before = process.env.TMPDIR;
    process.env.TMPDIR = join(import.meta.dirname, 'no', 'such', 'folder');
    t.after(() => {
      if (before === undefined) delete process.env.TMPDIR;
      else process.env.TMPDIR = before;
    });
    assert.equal(constants.place(first.bytes), undefined);
    assert.deepEqual(encodeModel(model, { constants }), encodeModel(model));
  });

  it('of a killed process are gone once another one begins, those of a running one are not', async (t) => {
    const running = await opened(t);
    assert.ok(running.place(first.bytes));
    const module = JSON.stringify(new URL('./constants-folder.js', import.meta.url).href);
    const child = spawn(process.execPath, [
      '--input-type=module',
      '--eval',
      `import { ConstantsFolder } from ${module};
       const constants = await ConstantsFolder.create();
       constants.place(new Uint8Array(2 ** 20));
       console.log(constants.folder);
       setInterval(() => {}, 1000);`,
    ]);
    t.after(() => child.kill('SIGKILL'));
    const [printed] = await once(child.stdout, 'data');
    const left = String(printed).trim();
    await opened(t);
    assert.ok(existsSync(left));
    child.kill('SIGKILL');
    await once(child, 'exit');
    assert.ok(existsSync(left));
    await opened(t);
    assert.ok(!existsSync(left));
    assert.ok(existsSync(running.folder));
  });

  it('are gone after closing', async () => {
    const constants = await ConstantsFolder.create();
    constants.place(first.bytes);
    const { folder } = constants;
    assert.ok(existsSync(folder));
    constants.close();
    assert.ok(!existsSync(folder));
    assert.equal(constants.place(second.bytes), undefined);
  });
});
