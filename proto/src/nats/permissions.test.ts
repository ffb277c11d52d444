// The shipped server configuration: who gets in, and what a worker's credentials cannot do.
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { create } from '@bufbuild/protobuf';
import { WorkerEntrySchema } from '../gen/kronlens/v1/cluster_pb.js';
import { noNatsServer, TestNatsServer } from '../testing/nats-server.js';
import { JetStreamStore } from './jetstream-store.js';
import { NatsLink } from './link.js';
import { NatsRefusedError } from './link-errors.js';
import { BUCKETS, cancelSubject, TASK_STREAM, taskConsumer, taskSubject } from './names.js';
import { Records } from './records.js';
import { setUpCluster } from './set-up.js';

const skip = noNatsServer;
const CONFIG = fileURLToPath(new URL('../../../docker/nats.conf', import.meta.url));

async function roles(t: TestContext) {
  process.env.KRONLENS_COORDINATOR_PASSWORD = 'secret-c';
  process.env.KRONLENS_WORKER_PASSWORD = 'secret-w';
  const server = await TestNatsServer.start(CONFIG);
  const links: NatsLink[] = [];
  const join = async (role: 'coordinator' | 'worker', password: string) => {
    const options = { url: server.url, name: 'test', role, user: role, password };
    const link = await NatsLink.open(options, { patienceMs: 3000 });
    links.push(link);
    return link;
  };
  t.after(async () => {
    for (const link of links) await link.close();
    await server.remove();
  });
  const coordinator = await join('coordinator', 'secret-c');
  await setUpCluster(coordinator, { codeVersion: 'v1' });
  return { server, join, coordinator, worker: await join('worker', 'secret-w') };
}

test('wrong or missing credentials are refused', { skip, timeout: 120_000 }, async (t) => {
  const { server, join } = await roles(t);
  await assert.rejects(join('worker', 'wrong'), NatsRefusedError);
  await assert.rejects(
    NatsLink.open({ url: server.url, name: 'test', role: 'worker' }),
    (error: unknown) =>
      error instanceof NatsRefusedError &&
      error.badInput &&
      /does not let us in; check the credentials/.test(error.message),
  );
});

test('a worker may do what it has to', { skip, timeout: 120_000 }, async (t) => {
  const { worker, coordinator } = await roles(t);
  await coordinator.js.publish(taskSubject('cpu', 'v1', 'a1'), 'task');
  await worker.jsm.consumers.info(TASK_STREAM, taskConsumer('cpu', 'v1'));
  const next = `$JS.API.CONSUMER.MSG.NEXT.${TASK_STREAM}.${taskConsumer('cpu', 'v1')}`;
  const message = await worker.connection.request(next, '{"batch":1}', {
    timeout: 5000,
    noMux: true,
  });
  assert.equal(message.string(), 'task');
  await worker.connection.request(message.reply ?? '', '+ACK', { timeout: 5000 });
  const store = new JetStreamStore(worker);
  const id = await store.put(new Uint8Array(600_000));
  assert.equal((await store.get(id)).length, 600_000);
  const entries = new Records(worker, BUCKETS.workers, WorkerEntrySchema);
  await entries.put('w', create(WorkerEntrySchema, { name: 'w' }));
  await entries.delete('w');
});

test('a worker cannot queue tasks, cancel runs, or change streams', {
  skip,
  timeout: 120_000,
}, async (t) => {
  const { worker, coordinator } = await roles(t);
  const forbidden: [string, () => Promise<unknown>][] = [
    ['queue a task', () => worker.js.publish(taskSubject('cpu', 'v1', 'b2'), 'task')],
    ['delete a stream', () => worker.jsm.streams.delete(TASK_STREAM)],
    ['purge a stream', () => worker.jsm.streams.purge(TASK_STREAM)],
    [
      'delete a consumer',
      () => worker.jsm.consumers.delete(TASK_STREAM, taskConsumer('cpu', 'v1')),
    ],
    ['set up a cluster', () => setUpCluster(worker, { codeVersion: 'v2' })],
    ['cancel a run', () => worker.connection.request(cancelSubject('r'), '', { timeout: 2000 })],
  ];
  for (const [what, act] of forbidden)
    await assert.rejects(worker.call(what, act), NatsRefusedError, what);
  assert.equal((await coordinator.jsm.streams.info(TASK_STREAM)).state.messages, 0);
});
