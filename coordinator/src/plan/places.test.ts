// Places are given in order, and to nobody once they are closed.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Places } from './places.js';

test('so many have a place at a time, the others get theirs in order', async () => {
  const places = new Places(2);
  const taken: number[] = [];
  const all = [0, 1, 2, 3].map((index) => places.take().then(() => taken.push(index)));
  await new Promise(setImmediate);
  assert.deepEqual(taken, [0, 1]);
  places.giveBack();
  await all[2];
  assert.deepEqual(taken, [0, 1, 2]);
  places.giveBack();
  await Promise.all(all);
  assert.deepEqual(taken, [0, 1, 2, 3]);
});

test('who waits for closed places learns why', async () => {
  const places = new Places(1);
  await places.take();
  const waiting = assert.rejects(places.take(), /enough/);
  places.close(new Error('enough'));
  await waiting;
  await assert.rejects(places.take(), /enough/);
});
