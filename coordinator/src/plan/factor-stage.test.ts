// The bookkeeping of a pass over the data: partial sums go once they are merged, and are found again or made again.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CountingEngine } from '../testing/counting-engine.js';
import { madeUpStage } from '../testing/made-up-stage.js';
import { runFactorStage } from './factor-stage.js';
import { StageProgress } from './stage-progress.js';

const sink = { begin: () => {}, update: () => {}, end: () => {}, note: () => {} };
const progress = () => new StageProgress(sink, 'factors', 1, 'samples');

test('partial sums are removed, the merged ones stay and are not computed again', async () => {
  const engine = new CountingEngine();
  const stage = madeUpStage(3, 16);
  const first = await runFactorStage(engine, stage, progress(), () => {});
  assert.deepEqual(engine.counts, { program: 48, merge: 3 });
  // Model and manifest of each program, and its sums.
  assert.equal(engine.store.artifacts.size, 9);
  for (const { bundle } of first) assert.ok(engine.store.artifacts.has(bundle));
  // Another cut of the data has the same sums.
  const again = await runFactorStage(engine, { ...stage, shard: 4 }, progress(), () => {});
  assert.deepEqual(again, first);
  assert.deepEqual(engine.counts, { program: 48, merge: 3 });
});

test('sums that are gone before they are merged are computed again', async () => {
  const engine = new CountingEngine();
  const { submit } = engine.queue;
  let merges = 0;
  engine.queue.submit = async (task, isBearable) => {
    const { kind } = task;
    // Somebody tidies the store.
    if (kind.case === 'merge' && merges++ === 0)
      await engine.store.delete(kind.value.bundles[1] ?? '');
    return await submit(task, isBearable);
  };
  await runFactorStage(engine, madeUpStage(1, 4), progress(), () => {});
  assert.deepEqual(engine.counts, { program: 8, merge: 2 });
});

test('sums that vanish again and again fail the run', async () => {
  const engine = new CountingEngine();
  const { submit } = engine.queue;
  engine.queue.submit = async (task, isBearable) => {
    const { kind } = task;
    if (kind.case === 'merge') await engine.store.delete(kind.value.bundles[1] ?? '');
    return await submit(task, isBearable);
  };
  await assert.rejects(
    runFactorStage(engine, madeUpStage(1, 4), progress(), () => {}),
    { code: 'artifact-missing' },
  );
});

test('only so many tasks are asked for at a time', async () => {
  const engine = new CountingEngine();
  await runFactorStage(engine, madeUpStage(10, 1000), progress(), () => {});
  assert.equal(engine.counts.program, 10_000);
  assert.ok(engine.mostWaiting <= 4096 + 10, `${engine.mostWaiting} tasks at a time`);
});
