// A bound on a cluster: a worker that is killed in its midst, and the command too; both go on elsewhere.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { newCluster } from '../testing/cluster-run.js';
import { examplePath, kronlens, startKronlens } from '../testing/kronlens-process.js';
import { digests } from '../testing/result-folder.js';

const EPOCHS = 8;
const bound = (out: string, ...more: readonly string[]) => [
  ...['bound', examplePath('digits/binary.onnx'), '--out', out],
  ...['--init', examplePath('digits/binary.init.onnx'), '--scale', '1/16'],
  ...['--data', examplePath('digits/binary-train.npz'), '--samples', '300'],
  ...['--epochs', String(EPOCHS), '--interval', '2', '--checkpoint', '1'],
  ...['--variant', 'base,iter', '--mc-samples', '16', ...more],
];

test('a bound whose worker is killed goes on elsewhere, to the same bytes', async (t) => {
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
