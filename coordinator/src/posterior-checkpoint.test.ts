// A posterior task that is called off or killed within an epoch goes on there, to the bytes of an undisturbed one.
import assert from 'node:assert/strict';
import { dirname, join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { CancelledError, decodeBundle, FolderStore } from '@kronlens/proto';
import { posteriorBench, rotatedBases, storeFolder } from './testing/posterior-engine.js';

const FIXTURES = join(dirname(fileURLToPath(import.meta.url)), '..', 'fixtures', 'factors');
const FILES = {
  model: join(FIXTURES, 'lenet-small', 'model.onnx'),
  data: join(FIXTURES, 'lenet-small', 'data.npz'),
};
const EPOCHS = { lastEpoch: 12n };
const BATCH = 2;

/** The bundles with that tensor in a folder of artifacts. */
async function bundlesWith(name: string, folder: string) {
  const store = new FolderStore(folder);
  const found = [];
  for await (const { id } of store.list()) {
    const bytes = await store.get(id);
    if (!Buffer.from(bytes).includes(name)) continue;
    found.push(decodeBundle(bytes));
  }
  return found;
}

/** Calls a task off in its third epoch or later. @returns the folder of what it left */
async function calledOff(t: TestContext, checkpointSeconds: number) {
  // On a busy machine the task may be done before it hears of it: then another is tried.
  for (;;) {
    const folder = await storeFolder(t);
    const controller = new AbortController();
    const { signal } = controller;
    const bench = await posteriorBench(t, FILES, BATCH, { folder, signal });
    const bases = await rotatedBases(bench);
    const { samples, engine } = bench;
    engine.onProgress(({ done }) => {
      if (Number(done) >= 2 * samples + BATCH) controller.abort(new CancelledError('the test'));
    });
    const error = await bench
      .run(bases, { ...EPOCHS, checkpointSeconds })
      .catch((reason: unknown) => reason);
    await engine.queue.idle();
    if (!(error instanceof Error)) continue;
    assert.ok(error instanceof CancelledError, error.message);
    return { folder, samples };
  }
}

for (const [how, checkpointSeconds] of [
  ['after every step', 1e-9],
  ['when it is called off alone', 1e9],
] as const)
  test(`with checkpoints ${how}, what is called off goes on within its epoch`, async (t) => {
    const whole = await posteriorBench(t, FILES, BATCH);
    const bases = await rotatedBases(whole);
    const undisturbed = await whole.run(bases, EPOCHS);
    const { folder, samples } = await calledOff(t, checkpointSeconds);
    const left = await bundlesWith('epoch_steps', folder);
    assert.equal(left.length, 1, 'earlier checkpoints go');
    const at = left[0];
    assert.ok((at?.get('history/loss')?.values.length ?? 0) >= 2);

    const next = await posteriorBench(t, FILES, BATCH, { folder });
    const shown: number[] = [];
    next.engine.onProgress(({ done }) => shown.push(Number(done)));
    const resumed = await next.run(await rotatedBases(next), EPOCHS);
    assert.ok((shown[0] ?? 0) > 2 * samples, `it went on from sample ${shown[0]}`);
    assert.equal(resumed.stateId, undisturbed.stateId);
    for (const [name, { values }] of undisturbed.history)
      assert.deepEqual(resumed.history.get(name)?.values, values, name);
    assert.deepEqual(await bundlesWith('epoch_steps', folder), [], 'the last one goes, too');
  });
