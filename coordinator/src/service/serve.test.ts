// The coordinator service with real processes: the bytes of embedded runs, whoever is killed or leaves.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { copyFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import {
  BUCKETS,
  openStore,
  Records,
  RunStatus,
  TASK_STREAM,
  WorkerNotesSchema,
} from '@kronlens/proto/nats';
import { noNatsServer } from '@kronlens/proto/testing';
import {
  analyze,
  BATCH,
  DIGITS,
  expected,
  MLP,
  newCluster,
  SAMPLES,
} from '../testing/cluster-run.js';
import { kronlens, startKronlens } from '../testing/kronlens-process.js';
import { digests } from '../testing/result-folder.js';
import { readStoredFolder } from './stored-folder.js';

const skip = noNatsServer;
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
  // So does what takes further passes over the data, or all layers together.
  const whole = async (out: string, ...more: readonly string[]) => {
    const [data, measures] = [
      ['--data', DIGITS],
      ['--class-means', '--full-hessian'],
    ];
    const size = ['--samples', '96', '--batch', '16', '--top', '4', '--measure', 'factors'];
    const args = ['analyze', MLP, ...data, '--out', out, ...size, ...measures, ...more];
    const { code, stderr } = await kronlens(...args);
    assert.equal(code, 0, stderr);
    return await digests(out);
  };
  const alone = await whole(join(folder, 'alone'));
  const together = await whole(join(folder, 'together'), '--nats', cluster.url, '--shard', '16');
  assert.deepEqual(together, alone);
  assert.ok(Object.keys(alone).some((name) => name.startsWith('class_means/')));
  assert.ok(Object.keys(alone).some((name) => name.startsWith('full/')));
});

test('what the server has lost a part of is made again', {
  skip,
  timeout: 400_000,
}, async (t) => {
  const { cluster, folder } = await newCluster(t);
  await cluster.startCoordinator();
  await cluster.startWorker();
  const run = async (name: string) => {
    const out = join(folder, name);
    const { code, stderr } = await kronlens(...analyze(out, '--nats', cluster.url));
    assert.equal(code, 0, stderr);
    assert.deepEqual(await digests(out), await expected());
    return stderr;
  };
  assert.doesNotMatch(await run('first'), /lost/);
  const store = openStore(cluster.link, 'nats');
  const lost = new Set<string>();
  for await (const task of store.listResults())
    for (const { name, id } of (await store.getResult(task))?.artifacts ?? [])
      if (name === 'sums') lost.add(id);
  // Their heads stay: they seem to be there.
  for (const id of lost)
    await cluster.link.jsm.streams.purge('KRONLENS_ARTIFACTS', {
      filter: `kronlens.artifact.${id}.524288.*`,
    });
  assert.ok(lost.size > 0);
  assert.match(await run('second'), /is not in nats:.* what was lost is made again/);
  assert.doesNotMatch(await run('third'), /lost/);

  // The same of results that wait to be fetched.
  const fourth = join(folder, 'fourth');
  const detached = analyze(fourth, '--nats', cluster.url, '--detach', '--samples', '320');
  assert.equal((await kronlens(...detached)).code, 0);
  const waiting = async () => (await cluster.runs()).find(({ results }) => results !== '');
  await cluster.until(async () => (await waiting()) !== undefined);
  const { run: name = '', results = '' } = (await waiting()) ?? {};
  const { files } = await readStoredFolder(store, results);
  for (const id of files.flatMap(({ pieces }) => pieces))
    await cluster.link.jsm.streams.purge('KRONLENS_ARTIFACTS', {
      filter: `kronlens.artifact.${id}.524288.*`,
    });
  const { code, stderr } = await kronlens('attach', name, '--nats', cluster.url, '--out', fourth);
  assert.equal(code, 0, stderr);
  assert.match(stderr, /is not in nats:.* the results are made again/);
  const alone = join(folder, 'alone');
  assert.equal((await kronlens(...analyze(alone, '--samples', '320'))).code, 0);
  assert.deepEqual(await digests(fourth), await digests(alone));
});

/**
 * A cluster of one coordinator and one worker with a run that has got somewhere. The worker is frozen, so
 * that the run cannot end before the test has done to it what it wants.
 */
async function begun(t: TestContext) {
  const { cluster, folder } = await newCluster(t);
  const coordinator = await cluster.startCoordinator();
  const worker = await cluster.startWorker();
  const out = join(folder, 'out');
  const client = startKronlens(...analyze(out, '--nats', cluster.url, '--shard', String(BATCH)));
  await cluster.until(async () => (await cluster.results()) >= 8);
  worker.kill('SIGSTOP');
  assert.equal((await cluster.runs())[0]?.status, RunStatus.RUNNING);
  return { cluster, folder, coordinator, worker, client, out };
}

test('a killed coordinator is replaced by one that waits, and by one that is started anew', {
  skip,
  timeout: 400_000,
}, async (t) => {
  const { cluster, coordinator, worker, client, out } = await begun(t);
  const second = await cluster.startCoordinator();
  coordinator.kill('SIGKILL');
  await second.said(/ serves at /);
  await second.said(/goes on/);
  second.kill('SIGKILL');
  await cluster.startCoordinator();
  worker.kill('SIGCONT');
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
  const { cluster, coordinator, worker, client, out } = await begun(t);
  const second = await cluster.startCoordinator();
  coordinator.kill('SIGSTOP');
  await second.said(/goes on/);
  coordinator.kill('SIGCONT');
  await coordinator.said(/another coordinator has taken over/);
  worker.kill('SIGCONT');
  const { code, stderr } = await client.ended;
  assert.equal(code, 0, stderr);
  assert.deepEqual(await digests(out), await expected());
  const [state] = await cluster.runs();
  assert.equal(state?.epoch, 2n);
});

test('runs are taken up again, fetched, listed and cancelled; bad input is the user’s to mend', {
  skip,
  timeout: 400_000,
}, async (t) => {
  const { cluster, folder, worker, client, out } = await begun(t);
  const early = await kronlens('gc', '--nats', cluster.url, '--older-than', '0');
  assert.equal(early.code, 2);
  assert.match(early.stderr, /run [0-9a-f]{8} goes on/);
  client.kill('SIGINT');
  const left = await client.ended;
  worker.kill('SIGCONT');
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
  // What was kept outlasts the collection of all else.
  const collect = async (...more: readonly string[]) => {
    const { code, stderr } = await kronlens('gc', '--nats', cluster.url, ...more);
    assert.equal(code, 0, stderr);
    return Number(/(\d+) artifacts/.exec(stderr.replace(',', ''))?.[1]);
  };
  assert.equal(await collect(), 0);
  const many = await collect('--older-than', '0', '--dry-run');
  assert.ok(many > 10, `${many}`);
  assert.equal(await collect('--older-than', '0'), many);
  assert.equal(await collect('--older-than', '0'), 0);
  const again = await kronlens(...analyze(out, '--nats', cluster.url, '--resume'));
  assert.equal(again.code, 0, again.stderr);
  assert.deepEqual(await digests(out), await expected());
  await cluster.until(async () => (await cluster.runs()).every(({ results }) => results === ''));
  const gone = await kronlens('attach', run, ...to(join(folder, 'gone')));
  assert.equal(gone.code, 2);
  assert.match(gone.stderr, /fetched already/);

  await cluster.forgetResults();
  worker.kill('SIGSTOP');
  const cancelled = startKronlens(...analyze(join(folder, 'cancelled'), '--nats', cluster.url));
  await cluster.until(async () => (await cluster.queued()) > 0);
  const second = (await cluster.runs()).find((state) => state.run !== run)?.run ?? '';
  assert.equal((await kronlens('cancel', second, '--nats', cluster.url)).code, 0);
  const ended = await cancelled.ended;
  assert.equal(ended.code, 1);
  assert.match(ended.stderr, /run [0-9a-f]{8} was cancelled/);
  worker.kill('SIGCONT');
  await cluster.until(async () => (await cluster.queued()) === 0);

  // What the files show is found before there is a run, what the model shows ends it.
  const bad = (...args: readonly string[]) =>
    kronlens('analyze', MLP, ...to(join(folder, 'bad')), ...args);
  const missing = await bad('--data', '/none.npz');
  assert.equal(missing.code, 2);
  assert.match(missing.stderr, /none\.npz/);
  const nothing = await bad('--data', DIGITS, '--layers', 'nothing');
  assert.equal(nothing.code, 2);
  assert.match(nothing.stderr, /nothing/);

  const nowhere = await kronlens('analyze', MLP, '--data', DIGITS, ...to(join(MLP, 'out')));
  assert.equal(nowhere.code, 2);
  assert.match(nowhere.stderr, /lies below one/);

  const { stdout } = await kronlens('runs', '--nats', cluster.url, '--json');
  const listed = JSON.parse(stdout) as { run: string; status: string; error: string | null }[];
  assert.deepEqual(
    listed.map(({ status }) => status),
    ['finished', 'cancelled', 'failed'],
  );
  assert.equal(listed[0]?.run, run);
  assert.match(listed[2]?.error ?? '', /nothing/);
});

test('a deadly run fails with the reason, a small one finishes, while a large one goes on', {
  skip: skip || (spawnSync('mkfifo', ['--version']).error ? 'there is no mkfifo here' : false),
  timeout: 400_000,
}, async (t) => {
  const { cluster, folder } = await newCluster(t);
  await cluster.startCoordinator();
  const submit = async (name: string, data: string, ...more: readonly string[]) => {
    const known = (await cluster.runs()).length;
    const args = analyze(join(folder, name), '--nats', cluster.url, '--detach', '--json', ...more);
    args[args.indexOf(DIGITS)] = data;
    const { code, stdout, stderr } = await kronlens(...args);
    assert.equal(code, 0, stderr);
    await cluster.until(async () => (await cluster.queued()) > known);
    return (JSON.parse(stdout) as { run: string }).run;
  };
  const state = async (run: string) => (await cluster.runs()).find((found) => found.run === run);

  // The data become a pipe that nobody writes to: reading them takes for ever.
  // Another seed, so that no other run computes what this one asks for.
  const data = join(folder, 'data.npz');
  await copyFile(DIGITS, data);
  const deadly = await submit('deadly', data, '--shard', String(SAMPLES), '--seed', '1');
  const message = await cluster.link.jsm.streams.getMessage(TASK_STREAM, { seq: 1 });
  assert.ok(message !== null);
  await rm(data);
  spawnSync('mkfifo', [data]);
  const large = await submit('large', DIGITS, '--shard', '1', '--batch', '1');
  const small = await submit('small', DIGITS);

  const isOver = async (run: string) => (await state(run))?.status !== RunStatus.RUNNING;
  const whenSmallEnds = (async () => {
    await cluster.until(() => isOver(small));
    return (await state(large))?.status;
  })();
  const notes = new Records(cluster.link, BUCKETS.notes, WorkerNotesSchema);
  for (let killed = 0; killed < 3; killed++) {
    const worker = await cluster.startWorker();
    await cluster.until(
      async () =>
        (await notes.all()).filter(({ messages }) => messages.includes(1n)).length > killed,
    );
    worker.kill('SIGKILL');
    await worker.ended;
  }
  await cluster.startWorker();
  await cluster.until(() => isOver(deadly));
  assert.equal((await state(deadly))?.error?.code, 'deadly-task');
  assert.equal(await whenSmallEnds, RunStatus.RUNNING);
  await cluster.until(() => isOver(large));
  for (const run of [small, large]) assert.equal((await state(run))?.error, undefined);
  // What failed is not sent again, and nobody is stuck with it.
  await cluster.until(async () => (await cluster.queued()) === 0);
  const out = join(folder, 'small');
  const fetched = await kronlens('attach', small, '--nats', cluster.url, '--out', out);
  assert.equal(fetched.code, 0, fetched.stderr);
  assert.deepEqual(await digests(out), await expected());
});
