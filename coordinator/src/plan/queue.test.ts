import assert from 'node:assert/strict';
import { test } from 'node:test';
import { create } from '@bufbuild/protobuf';
import { type Task, TaskResultSchema, TaskSchema } from '@kronlens/proto';
import { LocalQueue } from './queue.js';

const task = (name: string): Task => create(TaskSchema, { codeVersion: name });
const answer = (name: string) => create(TaskResultSchema, { taskId: name });
const never = new AbortController().signal;

test('runs tasks in order, as many at a time as allowed', async () => {
  const started: string[] = [];
  const release: (() => void)[] = [];
  let most = 0;
  let running = 0;
  const queue = new LocalQueue({
    parallelism: 2,
    signal: never,
    async execute({ codeVersion }) {
      started.push(codeVersion);
      running += 1;
      most = Math.max(most, running);
      await new Promise<void>((resolve) => release.push(resolve));
      running -= 1;
      return answer(codeVersion);
    },
  });
  const all = Promise.all(['a', 'b', 'c', 'd'].map((name) => queue.submit(task(name))));
  assert.deepEqual(started, ['a', 'b']);
  while (started.length < 4 || running > 0) {
    release.shift()?.();
    await new Promise(setImmediate);
  }
  assert.deepEqual(
    (await all).map((result) => result.taskId),
    ['a', 'b', 'c', 'd'],
  );
  assert.deepEqual(started, ['a', 'b', 'c', 'd']);
  assert.equal(most, 2);
});

test('a failure stops running tasks, refuses waiting ones and stays the reason', async () => {
  const failure = new Error('fc1 went wrong');
  const seen: string[] = [];
  const queue = new LocalQueue({
    parallelism: 2,
    signal: never,
    execute: ({ codeVersion }, signal) =>
      new Promise((_, reject) => {
        seen.push(codeVersion);
        if (codeVersion === 'bad') setImmediate(() => reject(failure));
        signal.addEventListener('abort', () => reject(new Error('stopped')));
      }),
  });
  const results = await Promise.allSettled(
    ['slow', 'bad', 'waiting'].map((name) => queue.submit(task(name))),
  );
  await queue.idle();
  for (const result of results)
    assert.equal(result.status === 'rejected' && result.reason, failure);
  assert.deepEqual(seen, ['slow', 'bad']);
  await assert.rejects(queue.submit(task('late')), failure);
});

test('an interruption refuses everything with its reason', async () => {
  const interruption = new AbortController();
  const queue = new LocalQueue({
    parallelism: 1,
    signal: interruption.signal,
    execute: (_, signal) =>
      new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason))),
  });
  const results = Promise.allSettled([queue.submit(task('a')), queue.submit(task('b'))]);
  const reason = new Error('interrupted');
  interruption.abort(reason);
  for (const result of await results)
    assert.equal(result.status === 'rejected' && result.reason, reason);
  await queue.idle();
});
