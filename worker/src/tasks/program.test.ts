// Program tasks through the executor: sums, shards, last batches, errors, cancelling, records.
import assert from 'node:assert/strict';
import { appendFile, rm, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import {
  CancelledError,
  create,
  DataArraySchema,
  DataFormat,
  DescribeDataTaskSchema,
  decodeBundle,
  ElementType,
  type Progress,
} from '@kronlens/proto';
import { SampleNoise } from '../random/sample-noise.js';
import { TreeSum } from '../sum/tree-sum.js';
import { writeNpy } from '../testing/npy.js';
import { type TestData, taskOf, testData, Workbench } from '../testing/workbench.js';

/** The program's sums in plain JavaScript, in float64. */
function expectedSums({ samples, x, y }: TestData, seed: bigint): Record<string, number[]> {
  const gram = [0, 0, 0, 0, 0, 0];
  const labels = [0, 0, 0];
  const sums = [0, 0];
  let logs = 0;
  const noise = new SampleNoise(seed);
  const uniform = new Float32Array(1);
  for (let sample = 0; sample < samples; sample++) {
    const [a = 0, b = 0, c = 0] = x.subarray(sample * 3, sample * 3 + 3);
    for (const [i, term] of [a * a, a * b, a * c, b * b, b * c, c * c].entries()) {
      gram[i] = (gram[i] ?? 0) + term;
    }
    logs += Math.log(a);
    const label = Number(y[sample]);
    labels[label] = (labels[label] ?? 0) + 1;
    for (const draw of [0, 1]) {
      noise.uniforms(sample, draw, uniform);
      sums[draw] = (sums[draw] ?? 0) + (uniform[0] ?? 0);
    }
  }
  const rows = Array.from(x, (value) => Math.fround(2 * value));
  return { gram, logs: [logs], labels, noise: sums, rows };
}

function assertClose(
  actual: Record<string, number[]>,
  expected: Record<string, number[]>,
  relative: number,
): void {
  assert.deepEqual(Object.keys(actual), Object.keys(expected));
  for (const [name, values] of Object.entries(expected)) {
    const scale = Math.max(...values.map(Math.abs));
    assert.equal(actual[name]?.length, values.length);
    for (const [i, value] of values.entries()) {
      const error = Math.abs((actual[name]?.[i] ?? Number.NaN) - value);
      assert.ok(error <= relative * scale, `${name}[${i}] is off by ${error} of ${scale}`);
    }
  }
}

/** What a rejection says. */
async function messageOf(promise: Promise<unknown>): Promise<string> {
  return await promise.then(
    () => assert.fail('nothing was thrown'),
    (error: Error) => error.message,
  );
}

test('sums, counts, noise and rows are those of plain JavaScript', () =>
  Workbench.use({}, async (bench) => {
    const data = testData(23);
    const task = await bench.task(await bench.data(data));
    const sums = await bench.sums(task);
    assertClose(sums, expectedSums(data, 7n), 1e-6);
    assert.deepEqual(sums.labels, expectedSums(data, 7n).labels);
    assert.deepEqual(sums.rows, expectedSums(data, 7n).rows);
  }));

test('shards in any order and number of threads give the bytes of one task', () =>
  Workbench.use({ parallelism: 3 }, async (bench) => {
    const arrays = await bench.data(testData(4 * 13 + 2));
    const whole = decodeBundle(await bench.bytes(await bench.run(await bench.task(arrays))));
    for (const size of [1, 2, 8]) {
      const firsts = Array.from({ length: Math.ceil(14 / size) }, (_, i) => i * size);
      const shards = await Promise.all(
        firsts.map(async (first) => {
          const count = Math.min(size, 14 - first);
          const part = { firstBatch: BigInt(first), batchCount: BigInt(count) };
          return decodeBundle(await bench.bytes(await bench.run(await bench.task(arrays, part))));
        }),
      );
      for (const name of ['gram', 'logs', 'labels', 'noise']) {
        const sum = new TreeSum(0);
        for (const shard of shards) sum.add(shard.get(name)?.values ?? new Float64Array(0));
        assert.deepEqual(sum.finish(), whole.get(name)?.values, `${name} in shards of ${size}`);
      }
    }
  }));

test('a padded last batch gives what a program of its size gives', () =>
  Workbench.use({}, async (bench) => {
    const data = testData(4 * 3 + 3);
    const arrays = await bench.data(data);
    const tail = await bench.sums(await bench.task(arrays));
    const weighted = { program: await bench.program('weighted', 4), tailProgram: '' };
    const padded = await bench.sums(await bench.task(arrays, weighted));
    assertClose(padded, tail, 1e-6);
    assert.deepEqual(padded.labels, tail.labels);
    assert.deepEqual(padded.rows, tail.rows);
    assertClose(padded, expectedSums(data, 7n), 1e-6);
  }));

test('fewer samples than a batch, and fewer than the file has', () =>
  Workbench.use({}, async (bench) => {
    const data = testData(7);
    const arrays = await bench.data(data);
    const three = { samples: 3, x: data.x.subarray(0, 9), y: data.y.subarray(0, 3) };
    const tailProgram = await bench.program('plain', 3);
    const task = await bench.task(arrays, { samples: 3n, batchCount: 1n, tailProgram });
    assertClose(await bench.sums(task), expectedSums(three, 7n), 1e-6);
  }));

test('stored bytes are scaled', () =>
  Workbench.use({}, async (bench) => {
    const x = Uint8Array.from({ length: 24 }, (_, i) => i + 1);
    await writeNpy(join(bench.folder, 'x.npy'), x, [8, 1, 3]);
    await writeNpy(join(bench.folder, 'y.npy'), new Uint8Array(8), [8]);
    const arrays = await bench.describe('x.npy', 'y.npy');
    for (const array of arrays.filter(({ name }) => name === 'x')) array.scale = 1 / 255;
    const expected = Array.from(x, (value) => 2 * Math.fround(value / 255));
    assert.deepEqual((await bench.sums(await bench.task(arrays))).rows, expected);
  }));

test('a finished task is not computed again', () =>
  Workbench.use({}, async (bench) => {
    const arrays = await bench.data(testData(8));
    const task = await bench.task(arrays);
    const first = await bench.run(task);
    assert.equal(first.hardware.node, process.versions.node);
    await rm(join(bench.folder, 'x.npy'));
    assert.deepEqual(await bench.run(task), first);
    // Without its artifact the record counts for nothing.
    await bench.store.delete(first.artifacts[0]?.id ?? '');
    assert.match(await messageOf(bench.run(task)), /x\.npy: there is no such file/);
  }));

test('progress counts samples up to the total', async () => {
  const heard: Progress[] = [];
  await Workbench.use({ onProgress: (progress) => heard.push(progress) }, async (bench) => {
    const result = await bench.run(await bench.task(await bench.data(testData(10))));
    assert.deepEqual(
      heard.map(({ done, total, what, taskId }) => [done, total, what, taskId]),
      [4n, 8n, 10n].map((done) => [done, 10n, '', result.taskId]),
    );
  });
});

test('an aborted task stops between batches, and the executor goes on', async () => {
  const controller = new AbortController();
  let batches = 0;
  const onProgress = () => {
    batches += 1;
    if (batches === 5) controller.abort();
  };
  await Workbench.use({ onProgress }, async (bench) => {
    const data = testData(4 * 20_000);
    const arrays = await bench.data(data);
    const task = await bench.task(arrays);
    await assert.rejects(bench.run(task, controller.signal), CancelledError);
    assert.ok(batches < 20_000, `${batches} batches were computed`);
    await assert.rejects(bench.run(task, controller.signal), CancelledError);
    const eight = await bench.task(arrays, { samples: 8n, batchCount: 2n });
    assert.equal((await bench.sums(eight)).rows?.length, 24);
  });
});

test('NaN and infinity from the model name the layer, the quantity and the samples', () =>
  Workbench.use({}, async (bench) => {
    for (const [value, says] of [
      [-1, /^NaN in the output Hessian of layer 'conv1' for samples 8 to 11: /],
      [0, /^infinity in the output Hessian of layer 'conv1' for samples 8 to 11: /],
    ] as const) {
      const data = testData(14);
      data.x[3 * 9] = value;
      const run = bench.run(await bench.task(await bench.data(data)));
      await assert.rejects(run, (error: Error & { badInput?: boolean }) => {
        assert.match(error.message, says);
        assert.equal(error.badInput, true);
        return true;
      });
    }
  }));

test('a label that is no class names the sample', () =>
  Workbench.use({}, async (bench) => {
    for (const label of [3n, -1n]) {
      const data = testData(14);
      data.y[13] = label;
      const message = await messageOf(bench.run(await bench.task(await bench.data(data))));
      assert.match(
        message,
        new RegExp(
          `y\\.npy: the label of sample 13 in 'y' is ${label}, but the model has 3 classes`,
        ),
      );
    }
  }));

test('NaN in the data names the sample', () =>
  Workbench.use({}, async (bench) => {
    const data = testData(14);
    data.x[3 * 10 + 1] = Number.NaN;
    const message = await messageOf(bench.run(await bench.task(await bench.data(data))));
    assert.match(message, /x\.npy: a value of sample 10 is NaN/);
  }));

test('data that do not fit the program are refused before anything runs', () =>
  Workbench.use({}, async (bench) => {
    const arrays = await bench.data(testData(8));
    const more = await bench.task(arrays, { samples: 9n });
    assert.match(await messageOf(bench.run(more)), /'x' has 8 samples, but 9 are asked for/);
    await writeNpy(join(bench.folder, 'x.npy'), new Float32Array(32), [8, 2, 2]);
    const wide = await bench.task(await bench.describe('x.npy', 'y.npy'));
    assert.match(
      await messageOf(bench.run(wide)),
      /a sample of 'x' has shape \[2, 2\], but the model's input 'x' takes \[3\]/,
    );
  }));

test('a data file that changed since it was described is refused', () =>
  Workbench.use({}, async (bench) => {
    const task = await bench.task(await bench.data(testData(8)));
    await appendFile(join(bench.folder, 'x.npy'), 'more');
    assert.match(await messageOf(bench.run(task)), /not the file that this run was planned with/);
  }));

test('a partial last batch needs a program of its own or weights', () =>
  Workbench.use({}, async (bench) => {
    const arrays = await bench.data(testData(7));
    const none = await bench.task(arrays, { tailProgram: '' });
    assert.match(await messageOf(bench.run(none)), /takes no weights to mask the rest of 4/);
    const wrong = await bench.task(arrays, { tailProgram: await bench.program('plain', 2) });
    assert.match(await messageOf(bench.run(wrong)), /for batches of 2, the last batch has 3/);
  }));

test('a model that cannot be loaded names its program', () =>
  Workbench.use({}, async (bench) => {
    const task = await bench.task(await bench.data(testData(8)));
    const program = await bench.store.get(task.program);
    const text = Buffer.from(program).toString('latin1');
    const model = await bench.store.put(new TextEncoder().encode('no model'));
    const broken = text.replace(/[0-9a-f]{64}/, model);
    const id = await bench.store.put(Buffer.from(broken, 'latin1'));
    assert.match(
      await messageOf(bench.run(await bench.task(task.arrays, { program: id }))),
      /^ONNX Runtime cannot load program 'plain of 4': /,
    );
  }));

test('the hashing of a large file is called off', () =>
  Workbench.use({}, async (bench) => {
    // A sparse file: the header promises a gigabyte, and so much is there, all zeros.
    const path = join(bench.folder, 'large.npy');
    await writeNpy(path, new Float32Array(1), [2 ** 28]);
    await truncate(path, 128 + 2 ** 30);
    const value = create(DescribeDataTaskSchema, { paths: [path] });
    const controller = new AbortController();
    const task = taskOf({ case: 'describeData', value });
    const described = bench.executor.execute(task, { signal: controller.signal });
    setTimeout(() => controller.abort(), 20);
    await assert.rejects(described, new CancelledError('the reading of the data'));
    // A task that waits for the file to be hashed is called off as well.
    const array = create(DataArraySchema, {
      ...{ name: 'x', path, format: DataFormat.NPY, type: ElementType.FLOAT32 },
      ...{ shape: [2n ** 28n, 3n], sha256: '0'.repeat(64) },
    });
    const [y] = (await bench.data(testData(8))).filter(({ name }) => name === 'y');
    const again = new AbortController();
    setTimeout(() => again.abort(), 20);
    const program = await bench.task([array, y ?? array], { samples: 8n, batchCount: 2n });
    await assert.rejects(bench.run(program, again.signal), CancelledError);
  }));
