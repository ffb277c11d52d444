// Slots: the limit holds, the order is kept, and failures free their slot.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Slots } from './slots.js';

test('no more than the limit run at once, in the order asked', async () => {
  const slots = new Slots(2);
  const started: number[] = [];
  let running = 0;
  let most = 0;
  const work = (id: number) =>
    slots.run(async () => {
      started.push(id);
      most = Math.max(most, ++running);
      await new Promise((resolve) => setTimeout(resolve, 2));
      running--;
      if (id === 1) throw new Error('one fails');
      return id;
    });
  const results = await Promise.allSettled([0, 1, 2, 3, 4].map(work));
  assert.deepEqual(started, [0, 1, 2, 3, 4]);
  assert.equal(most, 2);
  assert.equal(results[1]?.status, 'rejected');
  assert.equal(results.filter(({ status }) => status === 'fulfilled').length, 4);
  assert.equal(await slots.run(async () => 'free'), 'free');
});
