// Workers and coordinators tell supervisors and Prometheus how they are.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { create, EmptyTaskSchema, TaskSchema } from '@kronlens/proto';
import { JetStreamStore } from '@kronlens/proto/nats';
import { freePort, noNatsServer } from '@kronlens/proto/testing';
import { kronlens } from '../testing/kronlens-process.js';
import { TestCluster } from '../testing/test-cluster.js';
import { CODE_VERSION } from '../version.js';
import { JetStreamQueue } from './jetstream-queue.js';

const empty = (number: number) =>
  create(TaskSchema, {
    codeVersion: CODE_VERSION,
    kind: { case: 'empty', value: create(EmptyTaskSchema, { number: BigInt(number) }) },
  });

/** Asks what answers at a port. */
const asking = (port: number) => async (path: string) => {
  const response = await fetch(`http://127.0.0.1:${port}${path}`);
  return { status: response.status, text: await response.text() };
};

test('a worker answers /healthz and /metrics, and gets over a server that restarts', {
  skip: noNatsServer,
  timeout: 120_000,
}, async (t) => {
  const cluster = await TestCluster.start();
  t.after(() => cluster.remove());
  const port = await freePort();
  await cluster.startWorker('--http', String(port), '--memory', '8G');
  const ask = asking(port);
  const run = async (from: number, count: number) => {
    const queue = new JetStreamQueue({
      link: cluster.link,
      store: new JetStreamStore(cluster.link),
      storeName: 'nats',
      run: 'status',
      signal: new AbortController().signal,
      onProgress: () => {},
    });
    await Promise.all(Array.from({ length: count }, (_, i) => queue.submit(empty(from + i))));
    await queue.close();
  };
  await run(0, 20);
  assert.deepEqual(await ask('/healthz'), { status: 200, text: 'ok\n' });
  const { text } = await ask('/metrics');
  assert.match(text, /^kronlens_tasks_total\{kind="empty",outcome="done"\} 20$/m);
  assert.match(
    text,
    /^kronlens_worker_info\{name="[^"]+",version="kronlens [^"]+",device="cpu",store="nats",/m,
  );
  assert.match(text, /^kronlens_worker_memory_bytes 8589934592$/m);
  assert.match(text, /^kronlens_worker_concurrency 2$/m);
  assert.match(text, /^kronlens_nats_connected 1$/m);
  assert.match(text, /^kronlens_task_seconds_count\{kind="empty"\} 20$/m);
  assert.match(text, /^process_resident_memory_bytes \d/m);
  assert.equal((await ask('/elsewhere')).status, 404);

  await cluster.server.kill();
  await cluster.until(async () => (await ask('/healthz')).status === 503);
  assert.match((await ask('/healthz')).text, /^the NATS server at nats:.* is away$/m);
  await cluster.server.restart();
  await cluster.until(async () => (await ask('/healthz')).status === 200);
  await run(20, 20);
  assert.match((await ask('/metrics')).text, /^kronlens_nats_disconnects_total 1$/m);

  const second = await kronlens('worker', '--nats', cluster.url, '--http', String(port));
  assert.equal(second.code, 2);
  assert.match(second.stderr, /--http 127\.0\.0\.1:\d+: .*EADDRINUSE/);
});

test('a coordinator answers /healthz and /metrics, whether it is active or stands by', {
  skip: noNatsServer,
  timeout: 120_000,
}, async (t) => {
  const cluster = await TestCluster.start();
  t.after(() => cluster.remove());
  const ports = [await freePort(), await freePort()] as const;
  for (const port of ports) await cluster.startCoordinator('--http', String(port));
  const [active, standby] = ports.map(asking);
  assert.ok(active !== undefined && standby !== undefined);
  await cluster.startWorker();
  const says = async (ask: typeof active, line: RegExp) => line.test((await ask('/metrics')).text);
  await cluster.until(() => says(active, /^kronlens_workers 1$/m));
  const { text } = await active('/metrics');
  assert.match(text, /^kronlens_coordinator_active 1$/m);
  assert.match(text, /^kronlens_worker_slots 2$/m);
  assert.match(text, /^kronlens_runs_running 0$/m);
  assert.match(
    text,
    /^kronlens_coordinator_info\{name="[^"]+",version="kronlens [^"]+",store="nats"\} 1$/m,
  );
  assert.ok(await says(standby, /^kronlens_coordinator_active 0$/m));
  for (const ask of [active, standby])
    assert.deepEqual(await ask('/healthz'), { status: 200, text: 'ok\n' });
  const { code, stderr } = await kronlens(
    ...['serve', '--nats', cluster.url, '--http', String(ports[0])],
  );
  assert.equal(code, 2);
  assert.match(stderr, /--http 127\.0\.0\.1:\d+: .*EADDRINUSE/);

  await cluster.server.kill();
  await cluster.until(async () => (await standby('/healthz')).status === 503);
});
