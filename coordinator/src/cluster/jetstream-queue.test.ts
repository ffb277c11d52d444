// The queue of a cluster, with a worker in this process: what comes back, and what is refused.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { type TestContext, test } from 'node:test';
import {
  create,
  decodeBundle,
  EigenTaskSchema,
  EmptyTaskSchema,
  encodeBundle,
  KronlensError,
  MergeTaskSchema,
  type Task,
  TaskSchema,
  taskId,
} from '@kronlens/proto';
import {
  BUCKETS,
  DeadLetterSchema,
  JetStreamStore,
  Records,
  TASK_STREAM,
  taskConsumer,
  taskSubject,
  WorkerNotesSchema,
} from '@kronlens/proto/nats';
import { noNatsServer } from '@kronlens/proto/testing';
import { runWorker } from '../embedded.js';
import { TestCluster } from '../testing/test-cluster.js';
import { CODE_VERSION } from '../version.js';
import { JetStreamQueue } from './jetstream-queue.js';

const skip = noNatsServer;
const never = new AbortController().signal;

const merge = (bundles: readonly string[], codeVersion = CODE_VERSION): Task =>
  create(TaskSchema, {
    codeVersion,
    kind: { case: 'merge', value: create(MergeTaskSchema, { bundles: [...bundles] }) },
  });

async function bench(t: TestContext) {
  const cluster = await TestCluster.start();
  const { link } = cluster;
  const store = new JetStreamStore(link);
  const leave = new AbortController();
  const workers: Promise<void>[] = [];
  const queues: JetStreamQueue[] = [];
  t.after(async () => {
    leave.abort();
    await Promise.all(workers);
    for (const queue of queues) await queue.close();
    await cluster.remove();
  });
  const lines: string[] = [];
  return {
    cluster,
    link,
    store,
    lines,
    /** Starts a worker in this process. */
    work: (memoryBytes = 2 ** 33) =>
      workers.push(
        runWorker({
          link: { url: cluster.url },
          store: 'nats',
          codeVersion: CODE_VERSION,
          concurrency: 2,
          device: 'cpu',
          memoryBytes,
          linalg: 'portable',
          log: (line) => lines.push(line),
          drain: leave.signal,
          stop: leave.signal,
        }),
      ),
    /** A run's queue; a queue is of no more use after a failure. */
    queue: (signal: AbortSignal = never, storeName = 'nats') => {
      const run = randomBytes(4).toString('hex');
      const onProgress = () => {};
      const queue = new JetStreamQueue({ link, store, storeName, run, signal, onProgress });
      queues.push(queue);
      return queue;
    },
    bundle: (...values: number[]) =>
      store.put(
        encodeBundle([
          {
            name: 'loss',
            shape: [values.length],
            symmetric: false,
            values: Float64Array.of(...values),
          },
        ]),
      ),
    dead: new Records(link, BUCKETS.dead, DeadLetterSchema),
  };
}

const failsWith = (code: string, message: RegExp) => (error: unknown) => {
  assert.ok(error instanceof KronlensError, String(error));
  assert.equal(error.code, code);
  assert.match(error.message, message);
  return true;
};

test('tasks are executed once, in whatever number; a recorded one needs no worker', {
  skip,
  timeout: 120_000,
}, async (t) => {
  const { work, queue, bundle, store, cluster } = await bench(t);
  const one = await bundle(1, 2);
  const tasks = await Promise.all(
    Array.from({ length: 40 }, async (_, i) => merge([one, await bundle(i, i)])),
  );
  const first = queue();
  const submitted = [...tasks, ...tasks].map((task) => first.submit(task));
  work();
  const results = await Promise.all(submitted);
  await first.idle();
  for (const [i, { artifacts }] of results.entries()) {
    const sums = decodeBundle(await store.get(artifacts[0]?.id ?? ''));
    assert.deepEqual([...(sums.get('loss')?.values ?? [])], [(i % 40) + 1, (i % 40) + 2]);
  }
  assert.equal(await cluster.results(), 40);
  await cluster.until(async () => (await cluster.queued()) === 0);
  const again = await queue().submit(tasks[0] ?? merge([]));
  assert.equal(again.elapsedMs, results[0]?.elapsedMs);
});

test('thousands of short tasks leave their results and nothing else', {
  skip,
  timeout: 120_000,
}, async (t) => {
  const { work, queue, cluster, link } = await bench(t);
  work();
  const first = queue();
  const tasks = Array.from({ length: 1500 }, (_, i) =>
    create(TaskSchema, {
      codeVersion: CODE_VERSION,
      kind: { case: 'empty', value: create(EmptyTaskSchema, { number: BigInt(i) }) },
    }),
  );
  const results = await Promise.all(tasks.map((task) => first.submit(task)));
  assert.deepEqual(
    results.map((result) => result.taskId),
    tasks.map((task) => taskId(task)),
  );
  assert.equal(await cluster.results(), tasks.length);
  await cluster.until(async () => (await cluster.queued()) === 0);
  const notes = new Records(link, BUCKETS.notes, WorkerNotesSchema);
  await cluster.until(async () =>
    (await notes.all()).every(({ messages }) => messages.length === 0),
  );
});

test('a task goes to a worker that has the memory for it, past those that have not', {
  skip,
  timeout: 120_000,
}, async (t) => {
  const { work, queue, store, cluster, link } = await bench(t);
  const bundle = await store.put(
    encodeBundle([{ name: 'a', shape: [2, 2], symmetric: true, values: Float64Array.of(2, 0, 3) }]),
  );
  const eigen = (size: number) =>
    create(TaskSchema, {
      codeVersion: CODE_VERSION,
      kind: {
        case: 'eigen',
        value: create(EigenTaskSchema, {
          bundle,
          tensor: 'a',
          scale: 1,
          layer: 'fc',
          size: BigInt(size),
        }),
      },
    });
  const GIB = 2 ** 30;
  // Of 4.5 GiB, as its size says: one worker takes no large tasks, one takes them and has too little.
  work(GIB);
  work(3 * GIB);
  const run = queue();
  const large = run.submit(eigen(10_000));
  const small = await run.submit(eigen(2));
  assert.equal(small.artifacts.length, 1);
  const place = taskConsumer('large', CODE_VERSION);
  const passedOn = async () =>
    (await link.jsm.consumers.info(TASK_STREAM, place)).delivered.consumer_seq > 0;
  await cluster.until(passedOn);
  assert.equal(await cluster.results(), 1);
  assert.deepEqual(
    run.needs.map(({ memoryBytes }) => memoryBytes),
    [4.8e9],
  );
  work(8 * GIB);
  assert.equal((await large).artifacts.length, 1);
  await cluster.until(async () => (await cluster.queued()) === 0);
});

test('a corrupt artifact fails the run with the reason; the next run is not touched', {
  skip,
  timeout: 120_000,
}, async (t) => {
  const { work, queue, bundle, link, cluster } = await bench(t);
  work();
  const [good, bad] = [await bundle(1), await bundle(2)];
  const chunk = `kronlens.artifact.${bad}.524288.0`;
  await link.jsm.streams.purge('KRONLENS_ARTIFACTS', { filter: chunk });
  await link.js.publish(chunk, new Uint8Array(10));
  const failing = queue();
  const results = await Promise.allSettled([
    failing.submit(merge([good, bad])),
    failing.submit(merge([bad, bad])),
  ]);
  for (const result of results) {
    assert.ok(result.status === 'rejected');
    failsWith(
      'artifact-corrupt',
      new RegExp(`artifact ${bad} in nats://.* does not match`),
    )(result.reason);
  }
  await assert.rejects(failing.submit(merge([good])), /does not match its checksum/);
  const { artifacts } = await queue().submit(merge([good, good]));
  assert.equal(artifacts.length, 1);
  await cluster.until(async () => (await cluster.queued()) === 0);
});

test('what does not parse, or is another task than its name says, is refused and reported', {
  skip,
  timeout: 120_000,
}, async (t) => {
  const { work, bundle, link, dead, cluster, queue } = await bench(t);
  work();
  const id = taskId(merge([await bundle(3)]));
  const subject = taskSubject('cpu', CODE_VERSION, id);
  await link.js.publish(subject, new TextEncoder().encode('\x0fnonsense'));
  await cluster.until(async () => (await dead.get(id)) !== undefined);
  assert.equal((await dead.get(id))?.error?.code, 'malformed-message');
  await cluster.until(async () => (await cluster.queued()) === 0);
  assert.equal(await cluster.results(), 0);
  // A run that wants the task puts a proper one in its place.
  assert.equal((await queue().submit(merge([await bundle(3)]))).taskId, id);
});

test('other versions, other stores and tasks that end workers are refused by name', {
  skip,
  timeout: 120_000,
}, async (t) => {
  const { work, queue, bundle, lines } = await bench(t);
  work();
  const one = await bundle(1);
  await assert.rejects(
    queue().submit(merge([one], 'kronlens 9.9.9')),
    failsWith('other-version', /is kronlens .* and cannot execute tasks of kronlens 9\.9\.9/),
  );
  await assert.rejects(
    queue(never, 'file:///elsewhere').submit(merge([one])),
    failsWith('other-store', /artifacts in nats, the run in file:\/\/\/elsewhere/),
  );
  assert.equal(lines.filter((line) => line.includes('is given up')).length, 2);
});

test('a task that ended three workers is refused by name, and may be tried anew', {
  skip,
  timeout: 120_000,
}, async (t) => {
  const { work, queue, bundle, link, lines, cluster } = await bench(t);
  const one = await bundle(1);
  const deadly = merge([one, one]);
  const failed = assert.rejects(
    queue().submit(deadly),
    failsWith('deadly-task', /the merge of sums \(task .*\) ended 3 workers .*a-1, b-2, c-3/),
  );
  await cluster.until(async () => (await cluster.queued()) === 1);
  const next = `$JS.API.CONSUMER.MSG.NEXT.${TASK_STREAM}.${taskConsumer('cpu', CODE_VERSION)}`;
  const message = await link.connection.request(next, '', { timeout: 5000, noMux: true });
  const notes = new Records(link, BUCKETS.notes, WorkerNotesSchema);
  const { seq } = (await link.jsm.streams.getMessage(TASK_STREAM, {
    last_by_subj: message.subject,
  })) ?? { seq: 0 };
  for (const worker of ['a-1', 'b-2', 'c-3', 'd-4'])
    await notes.put(
      worker,
      create(WorkerNotesSchema, { worker, messages: [BigInt(worker === 'd-4' ? seq + 1 : seq)] }),
    );
  await link.connection.request(message.reply ?? '', '-NAK', { timeout: 5000 });
  work();
  await failed;
  // Queued anew, it is another message: what was noted of the first does not count.
  assert.equal((await queue().submit(deadly)).artifacts.length, 1);
  assert.equal(lines.filter((line) => line.includes('is given up')).length, 1);
});

test('an interrupted run takes back what nobody has begun', {
  skip,
  timeout: 120_000,
}, async (t) => {
  const { queue, bundle, link, cluster } = await bench(t);
  const interruption = new AbortController();
  const run = queue(interruption.signal);
  const bundles = await Promise.all([1, 2, 3].map((i) => bundle(i)));
  const submitted = Promise.allSettled(bundles.map((id) => run.submit(merge([id]))));
  await cluster.until(async () => (await cluster.queued()) === 3);
  const reason = new Error('interrupted');
  interruption.abort(reason);
  for (const result of await submitted)
    assert.equal(result.status === 'rejected' && result.reason, reason);
  await run.idle();
  assert.equal((await link.jsm.streams.info(TASK_STREAM)).state.messages, 0);
  await assert.rejects(run.submit(merge([])), reason);
});
