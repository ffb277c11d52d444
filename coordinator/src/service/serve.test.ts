// The coordinator service with real processes: the bytes of embedded runs, whoever is killed or leaves.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { RunStatus } from '@kronlens/proto/nats';
import { noNatsServer } from '@kronlens/proto/testing';
import { examplePath, kronlens, startKronlens } from '../testing/kronlens-process.js';
import { digests, temporaryFolder } from '../testing/result-folder.js';
import { TestCluster } from '../testing/test-cluster.js';

const skip = noNatsServer;
const MLP = examplePath('digits/mlp.onnx');
const DIGITS = examplePath('digits/digits.npz');
const SAMPLES = 640;
const BATCH = 8;

const analyze = (out: string, ...more: readonly string[]) => [
  ...['analyze', MLP, '--data', DIGITS, '--out', out, '--samples', String(SAMPLES)],
  ...['--measure', 'factors,eigen', '--batch', String(BATCH), ...more],
];

async function newCluster(t: TestContext, guarded = false) {
  const cluster = await TestCluster.start(guarded);
  const { folder, remove } = await temporaryFolder();
  t.after(async () => {
    await cluster.remove();
    await remove();
  });
  return { cluster, folder };
}

/** The bytes that every run has to give. */
let embedded: Promise<Record<string, string>> | undefined;
function expected(): Promise<Record<string, string>> {
  embedded ??= (async () => {
    const { folder, remove } = await temporaryFolder();
    try {
      const { code, stderr } = await kronlens(...analyze(folder));
      assert.equal(code, 0, stderr);
      return await digests(folder);
    } finally {
      await remove();
    }
  })();
  return embedded;
}

test('one, two and five workers, and different shards give the bytes of an embedded run', {
  skip,
  timeout: 400_000,
}, async (t) => {
  const { cluster, folder } = await newCluster(t, true);
  await cluster.startCoordinator();
  for (const [workers, shard] of [
    [1, 64],
    [2, 16],
    [5, 8],
  ] as const) {
    while ((await cluster.workerNames()).length < workers) await cluster.startWorker();
    const out = join(folder, String(workers));
    const args = analyze(out, '--nats', cluster.url, '--shard', String(shard));
    const { code, stderr } = await kronlens(...args);
    assert.equal(code, 0, stderr);
    assert.match(stderr, /run [0-9a-f]{8} is submitted/);
    assert.deepEqual(await digests(out), await expected());
    assert.ok((await cluster.results()) >= SAMPLES / shard, 'the workers recorded nothing');
    await cluster.until(async () => (await cluster.queued()) === 0);
    await cluster.forgetResults();
  }
  // What was fetched is not kept.
  await cluster.until(async () => (await cluster.runs()).every(({ results }) => results === ''));
});

/** Starts a run in a cluster of one coordinator and one worker. */
async function begun(t: TestContext, ...more: readonly string[]) {
  const { cluster, folder } = await newCluster(t);
  const coordinator = await cluster.startCoordinator();
  const worker = await cluster.startWorker();
  const out = join(folder, 'out');
  const args = analyze(out, '--nats', cluster.url, '--shard', String(BATCH), ...more);
  const client = startKronlens(...args);
  await cluster.until(async () => (await cluster.results()) >= 8);
  return { cluster, folder, coordinator, worker, client, out };
}

test('a killed coordinator is replaced by one that waits, and by one that is started anew', {
  skip,
  timeout: 400_000,
}, async (t) => {
  const { cluster, coordinator, client, out } = await begun(t);
  const second = await cluster.startCoordinator();
  coordinator.kill('SIGKILL');
  await second.said(/ serves at /);
  await second.said(/goes on/);
  const recorded = await cluster.results();
  await cluster.until(async () => (await cluster.results()) > recorded);
  second.kill('SIGKILL');
  await cluster.startCoordinator();
  const { code, stderr } = await client.ended;
  assert.equal(code, 0, stderr);
  assert.deepEqual(await digests(out), await expected());
  const [state] = await cluster.runs();
  assert.equal(state?.starts, 3);
  await cluster.until(async () => (await cluster.queued()) === 0);
});

test('a coordinator that was frozen finds that it is not the active one any more', {
  skip,
  timeout: 400_000,
}, async (t) => {
  const { cluster, coordinator, client, out } = await begun(t);
  const second = await cluster.startCoordinator();
  coordinator.kill('SIGSTOP');
  await second.said(/goes on/);
  coordinator.kill('SIGCONT');
  await coordinator.said(/another coordinator has taken over/);
  const { code, stderr } = await client.ended;
  assert.equal(code, 0, stderr);
  assert.deepEqual(await digests(out), await expected());
  const [state] = await cluster.runs();
  assert.equal(state?.epoch, 2n);
});

test('an interrupted client attaches again, and a run can be fetched into another folder', {
  skip,
  timeout: 400_000,
}, async (t) => {
  const { cluster, folder, client, out } = await begun(t);
  client.kill('SIGINT');
  const left = await client.ended;
  assert.equal(left.code, 130, left.stderr);
  const [, run = ''] = /kronlens attach ([0-9a-f]{8}) /.exec(left.stderr) ?? [];

  // The folder waits for this run alone.
  const other = await kronlens(...analyze(out, '--nats', cluster.url, '--samples', '32'));
  assert.equal(other.code, 2);
  assert.match(other.stderr, new RegExp(`waits for run ${run}`));

  const elsewhere = join(folder, 'elsewhere');
  const to = (target: string) => ['--nats', cluster.url, '--out', target];
  const kept = await kronlens('attach', run.slice(0, 5), ...to(elsewhere), '--keep');
  assert.equal(kept.code, 0, kept.stderr);
  assert.deepEqual(await digests(elsewhere), await expected());
  const again = await kronlens(...analyze(out, '--nats', cluster.url, '--resume'));
  assert.equal(again.code, 0, again.stderr);
  assert.deepEqual(await digests(out), await expected());

  await cluster.until(async () => (await cluster.runs()).every(({ results }) => results === ''));
  const gone = await kronlens('attach', run, ...to(join(folder, 'gone')));
  assert.equal(gone.code, 2);
  assert.match(gone.stderr, /fetched already/);
  const { stdout } = await kronlens('runs', '--nats', cluster.url, '--json');
  const [listed] = JSON.parse(stdout);
  assert.equal(listed.run, run);
  assert.equal(listed.status, 'finished');
});

test('a cancelled run ends and leaves nothing in the queue; what it is asked of it says', {
  skip,
  timeout: 400_000,
}, async (t) => {
  const { cluster, client } = await begun(t);
  const [state] = await cluster.runs();
  const { code } = await kronlens('cancel', state?.run ?? '', '--nats', cluster.url);
  assert.equal(code, 0);
  const ended = await client.ended;
  assert.equal(ended.code, 1);
  assert.match(ended.stderr, /run [0-9a-f]{8} was cancelled/);
  assert.equal((await cluster.runs())[0]?.status, RunStatus.CANCELLED);
  await cluster.until(async () => (await cluster.queued()) === 0);
});

test('bad input is found where it is, without a run', { skip, timeout: 200_000 }, async (t) => {
  const { cluster, folder } = await newCluster(t);
  await cluster.startCoordinator();
  const out = join(folder, 'out');
  const missing = await kronlens(
    'analyze',
    MLP,
    '--data',
    '/none.npz',
    '--out',
    out,
    '--nats',
    cluster.url,
  );
  assert.equal(missing.code, 2);
  assert.match(missing.stderr, /none\.npz/);
  assert.deepEqual(await cluster.runs(), []);
  const bad = await kronlens(...analyze(out, '--nats', cluster.url, '--layers', 'nothing'));
  assert.equal(bad.code, 2);
  assert.match(bad.stderr, /nothing/);
  assert.equal((await cluster.runs())[0]?.status, RunStatus.FAILED);
});

test('without a coordinator analyze coordinates itself, or says what is missing', {
  skip,
  timeout: 200_000,
}, async (t) => {
  const { cluster, folder } = await newCluster(t);
  await cluster.startWorker();
  const out = join(folder, 'out');
  const detached = await kronlens(...analyze(out, '--nats', cluster.url, '--detach'));
  assert.equal(detached.code, 2);
  assert.match(detached.stderr, /no coordinator of this version serves at .* kronlens serve/);
  const { code, stderr } = await kronlens(...analyze(out, '--nats', cluster.url));
  assert.equal(code, 0, stderr);
  assert.match(stderr, /this command coordinates its run itself/);
  assert.deepEqual(await digests(out), await expected());
});
