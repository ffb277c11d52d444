// Runs on a cluster of real processes give the same bytes as embedded ones, whatever is killed on the way.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { noNatsServer } from '@kronlens/proto/testing';
import { analyze, BATCH, expected, newCluster, SAMPLES } from '../testing/cluster-run.js';
import { kronlens, startKronlens } from '../testing/kronlens-process.js';
import { digests } from '../testing/result-folder.js';

const skip = noNatsServer;
test('embedded, one worker and two, and different shards give the same bytes', {
  skip,
  timeout: 300_000,
}, async (t) => {
  const { cluster, folder } = await newCluster(t, true);
  await cluster.startWorker();
  for (const [index, shard] of [64, 16].entries()) {
    if (index === 1) await cluster.startWorker();
    const out = join(folder, String(index));
    const args = analyze(out, '--nats', cluster.url, '--shard', String(shard));
    const { code, stderr } = await kronlens(...args);
    assert.equal(code, 0, stderr);
    assert.match(stderr, /this command coordinates its run itself/);
    assert.deepEqual(await digests(out), await expected());
    assert.ok((await cluster.results()) >= SAMPLES / shard, 'the workers recorded nothing');
    await cluster.until(async () => (await cluster.queued()) === 0);
    await cluster.forgetResults();
  }
});

test('killed workers, a killed server and a killed client cost nothing but time', {
  skip,
  timeout: 300_000,
}, async (t) => {
  const { cluster, folder } = await newCluster(t);
  const store = `file://${join(folder, 'shared')}`;
  const first = await cluster.startWorker();
  const out = join(folder, 'out');
  const args = analyze(out, '--nats', cluster.url, '--shard', String(BATCH));
  const client = startKronlens(...args);
  let isOver = false;
  void client.ended.then(() => {
    isOver = true;
  });
  const reached = (count: number) =>
    cluster.until(async () => isOver || (await cluster.results()) >= count);

  await reached(8);
  first.kill('SIGKILL');
  await cluster.startWorker();
  await reached(24);
  await cluster.server.kill();
  await sleep(300);
  await cluster.server.restart();
  await reached(40);
  assert.equal(isOver, false, 'it was over before everything was killed');
  client.kill('SIGKILL');
  await client.ended;

  const { code, stderr } = await kronlens(...args, '--resume');
  assert.equal(code, 0, stderr);
  assert.deepEqual(await digests(out), await expected());
  await cluster.until(async () => (await cluster.queued()) === 0);

  // Workers and run have to keep artifacts in the same place.
  const other = await kronlens(
    ...analyze(join(folder, 'other'), '--nats', cluster.url, '--store', store),
  );
  assert.equal(other.code, 2);
  assert.match(other.stderr, /keeps artifacts in nats, the run in file:.*same --store/);
});

test('a worker told to leave hands back what it has; a shared folder serves as the store', {
  skip,
  timeout: 300_000,
}, async (t) => {
  const { cluster, folder } = await newCluster(t);
  const store = `file://${join(folder, 'shared')}`;
  const leaving = await cluster.startWorker('--store', store, '--drain', '0');
  const out = join(folder, 'out');
  const running = kronlens(
    ...analyze(out, '--nats', cluster.url, '--store', store, '--shard', String(BATCH)),
  );
  await cluster.until(async () => (await cluster.queued()) > 0);
  leaving.kill('SIGTERM');
  const { code, stderr } = await leaving.ended;
  assert.equal(code, 0, stderr);
  assert.match(stderr, /leaving: no new tasks are taken/);
  assert.deepEqual(await cluster.workerNames(), []);
  await cluster.startWorker('--store', store);
  const ended = await running;
  assert.equal(ended.code, 0, ended.stderr);
  assert.deepEqual(await digests(out), await expected());
  assert.equal(await cluster.results(), 0);
});

test('without its server a command says so and fails, and a worker can still leave', {
  skip,
  timeout: 300_000,
}, async (t) => {
  const { cluster, folder } = await newCluster(t);
  const worker = await cluster.startWorker('--drain', '0');
  const detached = await kronlens(
    ...analyze(join(folder, 'out'), '--nats', cluster.url, '--detach'),
  );
  assert.equal(detached.code, 2);
  assert.match(detached.stderr, /no coordinator of this version serves at .* kronlens serve/);
  await cluster.server.kill();
  worker.kill('SIGTERM');
  const { code, stderr } = await kronlens(...analyze(join(folder, 'out'), '--nats', cluster.url));
  assert.equal(code, 2);
  assert.match(stderr, /no NATS server answers at nats:\/\/127\.0\.0\.1:\d+; check --nats/);
  const left = await worker.ended;
  assert.equal(left.code, 0, left.stderr);
});
