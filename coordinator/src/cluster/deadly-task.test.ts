// A task that ends every worker that touches it fails its run by name, and only that run.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import {
  create,
  encodeBundle,
  FolderStore,
  KronlensError,
  MergeTaskSchema,
  TaskSchema,
} from '@kronlens/proto';
import { BUCKETS, Records, WorkerNotesSchema } from '@kronlens/proto/nats';
import { noNatsServer } from '@kronlens/proto/testing';
import { temporaryFolder } from '../testing/result-folder.js';
import { TestCluster } from '../testing/test-cluster.js';
import { CODE_VERSION } from '../version.js';
import { JetStreamQueue } from './jetstream-queue.js';

const mkfifo = spawnSync('mkfifo', ['--version']).error === undefined;
const skip = noNatsServer || (mkfifo ? false : 'there is no mkfifo here');

const merge = (...bundles: string[]) =>
  create(TaskSchema, {
    codeVersion: CODE_VERSION,
    kind: { case: 'merge', value: create(MergeTaskSchema, { bundles }) },
  });

test('workers killed three times on a task are named; other runs go on', {
  skip,
  timeout: 300_000,
}, async (t) => {
  const cluster = await TestCluster.start();
  const { folder, remove } = await temporaryFolder();
  const store = new FolderStore(folder);
  const storeName = `file://${folder}`;
  const queues = ['deadly', 'sound'].map(
    (run) =>
      new JetStreamQueue({
        link: cluster.link,
        store,
        storeName,
        run,
        signal: new AbortController().signal,
        onProgress: () => {},
      }),
  );
  const [deadly, sound] = queues;
  assert.ok(deadly !== undefined && sound !== undefined);
  t.after(async () => {
    for (const queue of queues) await queue.close();
    await cluster.remove();
    await remove();
  });

  const bytes = encodeBundle([
    { name: 'loss', shape: [1], symmetric: false, values: Float64Array.of(1) },
  ]);
  const good = await store.put(bytes);
  // Reading a pipe that nobody writes to takes for ever: the worker is at it when it is killed.
  const endless = 'e'.repeat(64);
  await mkdir(join(folder, 'artifacts', 'ee'), { recursive: true });
  spawnSync('mkfifo', [join(folder, 'artifacts', 'ee', endless)]);

  const task = merge(endless, good);
  const failed = assert.rejects(deadly.submit(task), (error: unknown) => {
    assert.ok(error instanceof KronlensError);
    assert.equal(error.code, 'deadly-task');
    for (const name of names) assert.ok(error.message.includes(name), error.message);
    assert.match(error.message, /^the merge of sums \(task .*\) ended 3 workers/);
    return true;
  });
  const notes = new Records(cluster.link, BUCKETS.notes, WorkerNotesSchema);
  const begun = async () =>
    (await notes.all()).filter(({ messages }) => messages.length > 0).map(({ worker }) => worker);
  const names: string[] = [];
  for (let kill = 0; kill < 3; kill++) {
    const worker = await cluster.startWorker('--store', storeName);
    await cluster.until(async () => (await begun()).length > kill);
    names.push(...(await begun()).filter((name) => !names.includes(name)));
    worker.kill('SIGKILL');
    await worker.ended;
  }
  assert.equal(new Set(names).size, 3);
  await cluster.startWorker('--store', storeName);
  await failed;
  const { artifacts } = await sound.submit(merge(good, good));
  assert.equal(artifacts.length, 1);
  await cluster.until(async () => (await cluster.queued()) === 0);
});
