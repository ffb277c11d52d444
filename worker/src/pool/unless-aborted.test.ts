// Waiting for work until somebody calls it off.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CancelledError } from '@kronlens/proto';
import { unlessAborted } from './unless-aborted.js';

test('work that ends first decides', async () => {
  const { signal } = new AbortController();
  assert.equal(await unlessAborted(Promise.resolve(3), signal, 'work'), 3);
  assert.equal(await unlessAborted(Promise.resolve(4), undefined, 'work'), 4);
  await assert.rejects(
    unlessAborted(Promise.reject(new Error('no')), signal, 'work'),
    /^Error: no/,
  );
});

test("an abort before or meanwhile ends the waiting, and a late failure is nobody's", async () => {
  const controller = new AbortController();
  let fail = (_: Error) => {};
  const work = new Promise<void>((_, reject) => {
    fail = reject;
  });
  const waiting = unlessAborted(work, controller.signal, 'the work');
  controller.abort();
  await assert.rejects(waiting, new CancelledError('the work'));
  await assert.rejects(unlessAborted(work, controller.signal, 'it'), new CancelledError('it'));
  fail(new Error('too late'));
  await new Promise((resolve) => setImmediate(resolve));
});
