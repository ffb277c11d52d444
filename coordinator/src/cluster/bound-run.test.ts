// A bound on a cluster: a worker that is killed in its midst, and the command too; both go on elsewhere.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { checkpointId, type TaskResult, TaskResultSchema } from '@kronlens/proto';
import { BUCKETS, NATS_STORE, type NatsLink, openStore, Records } from '@kronlens/proto/nats';
import { noNatsServer } from '@kronlens/proto/testing';
import { newCluster } from '../testing/cluster-run.js';
import { examplePath, kronlens, startKronlens } from '../testing/kronlens-process.js';
import { digests } from '../testing/result-folder.js';

const HOW = { skip: noNatsServer, timeout: 300_000 };
const EPOCHS = 8;
const bound = (out: string, ...more: readonly string[]) => [
  ...['bound', examplePath('digits/binary.onnx'), '--out', out],
  ...['--init', examplePath('digits/binary.init.onnx'), '--scale', '1/16'],
  ...['--data', examplePath('digits/binary-train.npz'), '--samples', '300'],
  ...['--epochs', String(EPOCHS), '--interval', '2', '--checkpoint', '1'],
  ...['--variant', 'base,iter', '--mc-samples', '16', ...more],
];

test('a bound whose worker is killed goes on elsewhere, to the same bytes', HOW, async (t) => {
  const { cluster, folder } = await newCluster(t);
  const embedded = join(folder, 'embedded');
  const alone = await kronlens(...bound(embedded));
  assert.equal(alone.code, 0, alone.stderr);
  const out = join(folder, 'cluster');
  const nats = ['--nats', cluster.url];
  const first = await cluster.startWorker();
  const command = startKronlens(...bound(out, ...nats));
  // In the midst: some epochs are done, and as no other worker is there none is done after the kill.
  await cluster.until(async () => (await cluster.results()) >= EPOCHS);
  first.kill('SIGKILL');
  await first.ended;
  const done = await cluster.results();
  await cluster.startWorker();
  await cluster.until(async () => (await cluster.results()) > done);
  // Now the command: what it resumes from is recorded in the cluster.
  command.kill('SIGKILL');
  assert.equal((await command.ended).code, null);
  const resumed = await kronlens(...bound(out, ...nats, '--resume'));
  assert.equal(resumed.code, 0, resumed.stderr);
  assert.deepEqual(await digests(out), await digests(embedded));
});

/** The recorded result of the one posterior task, and where it stood last. */
async function posteriorResult(link: NatsLink): Promise<TaskResult> {
  const all = await new Records(link, BUCKETS.results, TaskResultSchema).all();
  const found = all.find(({ artifacts }) => artifacts.some(({ name }) => name === 'history'));
  assert.ok(found, 'the posterior task has no result');
  return found;
}

test(
  'a worker that is killed within a task leaves a checkpoint that another goes on from',
  HOW,
  async (t) => {
    const { cluster, folder } = await newCluster(t, true);
    const args = (out: string, ...more: readonly string[]) => [
      ...['bound', examplePath('digits/binary.onnx'), '--out', out, '--variant', 'base'],
      ...['--init', examplePath('digits/binary.init.onnx'), '--scale', '1/16'],
      ...['--data', examplePath('digits/binary-train.npz'), '--batch', '5', '--mc-samples', '2'],
      // One task, so that nothing but its checkpoints can be gone on from.
      ...['--epochs', '40', '--checkpoint', '40', ...more],
    ];
    const embedded = join(folder, 'embedded');
    const alone = await kronlens(...args(embedded));
    assert.equal(alone.code, 0, alone.stderr);
    const out = join(folder, 'cluster');
    const first = await cluster.startWorker();
    const command = startKronlens(
      ...args(out, '--nats', cluster.url, '--checkpoint-seconds', '0.3'),
    );
    await cluster.until(async () => (await cluster.results()) >= 1);
    first.kill('SIGKILL');
    await first.ended;
    assert.equal(await cluster.results(), 1, 'a checkpoint is all that is recorded');
    await cluster.startWorker();
    const { code, stderr } = await command.ended;
    assert.equal(code, 0, stderr);
    assert.deepEqual(await digests(out), await digests(embedded));

    const { taskId, parts } = await posteriorResult(cluster.link);
    assert.equal(parts.length, 1, 'the second worker did not go on from what the first had left');
    const store = openStore(cluster.link, NATS_STORE);
    const left = await store.getResult(checkpointId(taskId));
    assert.equal(left, undefined, 'the last checkpoint goes');
  },
);
