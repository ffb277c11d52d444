// The executor: program, merge and eigen tasks after each other, what it records and what it refuses.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  CancelledError,
  create,
  decodeBundle,
  EigenTaskSchema,
  MergeTaskSchema,
  type Task,
  TaskSchema,
} from '@kronlens/proto';
import { createExecutor, type ExecutorOptions } from './execute.js';
import { taskOf, testData, Workbench } from './testing/workbench.js';

function mergeOf(bundles: string[]): Task {
  return taskOf({ case: 'merge', value: create(MergeTaskSchema, { bundles }) });
}

test('shards, their merge and the eigenvalues of a factor', () =>
  Workbench.use({ parallelism: 2 }, async (bench) => {
    const arrays = await bench.data(testData(30));
    const only = {
      program: await bench.program('sums', 4),
      tailProgram: await bench.program('sums', 2),
    };
    const whole = await bench.run(await bench.task(arrays, only));
    const shards = await Promise.all(
      [0n, 4n].map(async (firstBatch) =>
        bench.run(await bench.task(arrays, { ...only, firstBatch, batchCount: 4n })),
      ),
    );
    const merge = mergeOf(shards.map(({ artifacts }) => artifacts[0]?.id ?? ''));
    const merged = await bench.executor.execute(merge);
    assert.equal(merged.artifacts[0]?.id, whole.artifacts[0]?.id, 'the merge has the same bytes');
    assert.deepEqual(await bench.executor.execute(merge), merged, 'it was recorded');

    const bundle = merged.artifacts[0]?.id ?? '';
    const value = create(EigenTaskSchema, { bundle, tensor: 'gram', scale: 1 / 30, layer: 'fc1' });
    const eigen = await bench.executor.execute(taskOf({ case: 'eigen', value }));
    assert.equal(eigen.artifacts[0]?.name, 'eigen');
    const pairs = decodeBundle(await bench.bytes(eigen));
    const [a = 0, , , d = 0, , f = 0] =
      decodeBundle(await bench.bytes(merged)).get('gram')?.values ?? [];
    const sum = pairs
      .get('eigenvalues')
      ?.values.reduce((total, eigenvalue) => total + eigenvalue, 0);
    assert.ok(
      Math.abs((sum ?? 0) - (a + d + f) / 30) < 1e-9,
      'the eigenvalues add up to the trace',
    );
  }));

test('an aborted signal stops a task before it begins', () =>
  Workbench.use({}, async (bench) => {
    const task = mergeOf(['0'.repeat(64)]);
    await assert.rejects(
      bench.executor.execute(task, { signal: AbortSignal.abort() }),
      CancelledError,
    );
    await assert.rejects(bench.executor.execute(task), {
      code: 'artifact-missing',
      retryable: true,
    });
  }));

test('a task without a kind, and any task after closing, is refused', async () => {
  await Workbench.use({}, async (bench) => {
    await assert.rejects(bench.executor.execute(create(TaskSchema)), { code: 'bad-task' });
    await bench.executor.close();
    await assert.rejects(bench.executor.execute(mergeOf([])), { code: 'executor-closed' });
  });
});

test('devices that are not there and pools without threads are bad input', async () => {
  for (const [wrong, says] of [
    [{ device: 'cuda' }, /programs cannot run on 'cuda' yet; use --device cpu/],
    [{ parallelism: 0 }, /0 worker threads cannot be started/],
  ] as const) {
    const options = { parallelism: 1, device: 'cpu', linalg: 'portable', ...wrong };
    await assert.rejects(createExecutor(options as ExecutorOptions), (error) => {
      assert.match(String(error), says);
      return (error as { badInput?: boolean }).badInput === true;
    });
  }
});
