// The store on a NATS server keeps what it is given, notices damage, and outlives the server.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { type TestContext, test } from 'node:test';
import { create } from '@bufbuild/protobuf';
import { TaskResultSchema } from '../gen/kronlens/v1/task_pb.js';
import { ArtifactCorruptError, ArtifactMissingError, contentId } from '../store/artifact-store.js';
import { noNatsServer, TestNatsServer } from '../testing/nats-server.js';
import { ArtifactTooLargeError, JetStreamStore } from './jetstream-store.js';
import { NatsLink } from './link.js';
import { ClusterMissingError, NatsUnreachableError } from './link-errors.js';
import { chunkSubject, headSubject } from './names.js';
import { setUpCluster } from './set-up.js';

const skip = noNatsServer;
const TASK = 'a1'.repeat(32);
const bytesOf = (text: string) => new TextEncoder().encode(text);

async function newLink(t: TestContext, setUp = true) {
  const server = await TestNatsServer.start();
  const link = await NatsLink.open({ url: server.url, name: 'test', role: 'coordinator' });
  t.after(async () => {
    await link.close();
    await server.remove();
  });
  if (setUp) await setUpCluster(link, { codeVersion: 'test 1' });
  return { server, link };
}

test('artifacts of any size come back; what is not there is missing', {
  skip,
  timeout: 120_000,
}, async (t) => {
  const { link } = await newLink(t);
  const store = new JetStreamStore(link);
  const ids: string[] = [];
  for (const length of [0, 1, 524_288, 524_289, 3_000_000]) {
    const bytes = new Uint8Array(randomBytes(length));
    const id = await store.put(bytes);
    assert.equal(id, contentId(bytes));
    assert.equal(await store.put(bytes), id);
    assert.deepEqual(await store.get(id), bytes);
    ids.push(id);
  }
  const listed: { id: string; byteLength: number }[] = [];
  for await (const artifact of store.list()) {
    assert.ok(Math.abs(artifact.storedMs - Date.now()) < 600_000);
    listed.push(artifact);
  }
  assert.deepEqual(listed.map(({ id }) => id).sort(), ids.sort());
  assert.equal(
    listed.reduce((sum, { byteLength }) => sum + byteLength, 0),
    1 + 524_288 + 524_289 + 3_000_000,
  );
  const [first = ''] = ids;
  await store.delete(first);
  assert.equal(await store.has(first), false);
  await assert.rejects(store.get(first), ArtifactMissingError);
  await assert.rejects(store.get('../etc/passwd'), /no artifact id/);
});

test('many writers of the same bytes do not hinder each other, and nothing is replaced', {
  skip,
  timeout: 120_000,
}, async (t) => {
  const { link } = await newLink(t);
  const bytes = new Uint8Array(randomBytes(1_200_000));
  const writers = Array.from({ length: 8 }, () => new JetStreamStore(link).put(bytes));
  const ids = new Set(await Promise.all(writers));
  assert.equal(ids.size, 1);
  const messages = async () => {
    const { state } = await link.jsm.streams.info('KRONLENS_ARTIFACTS');
    return [state.messages, state.last_seq];
  };
  const [count = 0, last] = await messages();
  assert.ok(count >= 4 && count === last);
  const store = new JetStreamStore(link);
  assert.deepEqual(await store.get([...ids][0] ?? ''), bytes);
  await store.put(bytes);
  assert.deepEqual(await messages(), [count, last]);
  await store.delete([...ids][0] ?? '');
  assert.equal((await messages())[0], 0);
});

test('what is removed while it is stored is stored whole', {
  skip,
  timeout: 120_000,
}, async (t) => {
  const { link } = await newLink(t);
  const store = new JetStreamStore(link);
  for (const length of [1000, 1_200_000]) {
    const bytes = new Uint8Array(randomBytes(length));
    const id = contentId(bytes);
    let removals = 0;
    // Slow: it has stored the chunks, and the head comes after another has stored and removed all of it.
    const js = new Proxy(link.js, {
      get(target, key) {
        if (key !== 'publish') return Reflect.get(target, key);
        return async (subject: string, payload: Uint8Array) => {
          if (subject === headSubject(id) && removals === 0) {
            removals += 1;
            await store.put(bytes);
            await store.delete(id);
          }
          return await target.publish(subject, payload);
        };
      },
    });
    const slow = { url: link.url, js, jsm: link.jsm, call: link.call.bind(link) } as NatsLink;
    assert.equal(await new JetStreamStore(slow).put(bytes), id);
    assert.equal(removals, 1);
    assert.deepEqual(await store.get(id), bytes);
  }
});

test('a damaged chunk, a lost chunk and an oversized artifact are refused', {
  skip,
  timeout: 120_000,
}, async (t) => {
  const { link } = await newLink(t);
  const store = new JetStreamStore(link);
  const id = await store.put(bytesOf('abc'));
  const remove = (filter: string) => link.jsm.streams.purge('KRONLENS_ARTIFACTS', { filter });
  const replace = async (subject: string, text: string) => {
    await remove(subject);
    await link.js.publish(subject, bytesOf(text));
  };
  await replace(chunkSubject(id, 524_288, 0), 'abd');
  await assert.rejects(store.get(id), ArtifactCorruptError);
  await replace(chunkSubject(id, 524_288, 0), 'ab');
  await assert.rejects(store.get(id), ArtifactCorruptError);
  await remove(chunkSubject(id, 524_288, 0));
  await assert.rejects(store.get(id), ArtifactMissingError);
  await replace(headSubject(id), '\xff\xff');
  assert.equal(await store.has(id), false);
  const small = new JetStreamStore(link, { mostBytes: 10 });
  await assert.rejects(small.put(bytesOf('eleven byte')), ArtifactTooLargeError);
  const large = await store.put(bytesOf('eleven byte'));
  await assert.rejects(small.get(large), ArtifactTooLargeError);
});

test('results are recorded, and count for nothing once an artifact is gone', {
  skip,
  timeout: 120_000,
}, async (t) => {
  const { link } = await newLink(t);
  const store = new JetStreamStore(link);
  const id = await store.put(bytesOf('sums'));
  const result = create(TaskResultSchema, {
    taskId: TASK,
    artifacts: [{ name: 'sums', id, byteLength: 4n }],
  });
  assert.equal(await store.getResult(TASK), undefined);
  await store.putResult(TASK, result);
  assert.deepEqual((await store.getResult(TASK))?.artifacts[0]?.id, id);
  await store.delete(id);
  assert.equal(await store.getResult(TASK), undefined);
});

test('a server that is killed and comes back on its disk interrupts nothing', {
  skip,
  timeout: 120_000,
}, async (t) => {
  const { server, link } = await newLink(t);
  const store = new JetStreamStore(link);
  const bytes = new Uint8Array(randomBytes(2_000_000));
  const id = await store.put(bytes);
  await server.kill();
  const later = Promise.all([store.put(bytesOf('meanwhile')), store.get(id)]);
  await new Promise((resolve) => setTimeout(resolve, 300));
  await server.restart();
  const [other, read] = await later;
  assert.deepEqual(read, bytes);
  assert.deepEqual(await store.get(other), bytesOf('meanwhile'));
});

test('a server that is not there or not set up is said to be', {
  skip,
  timeout: 120_000,
}, async (t) => {
  const { server, link } = await newLink(t, false);
  await assert.rejects(
    link.call('asking', () => link.jsm.streams.info('KRONLENS_TASKS')),
    ClusterMissingError,
  );
  await server.kill();
  await assert.rejects(
    NatsLink.open({
      url: `nats://me:secret@127.0.0.1:${server.port}`,
      name: 'test',
      role: 'coordinator',
    }),
    (error: unknown) =>
      error instanceof NatsUnreachableError &&
      error.message.includes(`nats://127.0.0.1:${server.port};`),
  );
  await assert.rejects(
    NatsLink.open({ url: 'http://x', name: 'test', role: 'coordinator' }),
    /no address of a NATS/,
  );
});
