// Runs share the queue equally; short tasks fill it further, long ones do not.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fairShare, SendWindow } from './send-window.js';

test('runs have equal shares, and at least two tasks each', () => {
  assert.deepEqual(fairShare(2, 1), { share: 8, most: 256 });
  assert.deepEqual(fairShare(2, 2), { share: 4, most: 128 });
  assert.deepEqual(fairShare(0, 1), { share: 4, most: 256 });
  assert.deepEqual(fairShare(1, 100), { share: 2, most: 3 });
  assert.deepEqual(fairShare(200, 1), { share: 800, most: 800 });
});

test('the window grows with the pace of a run, up to its limit, and shrinks again', () => {
  let nowMs = 0;
  const window = new SendWindow(() => nowMs);
  window.set(4, 128);
  const work = (tasks: number, everyMs: number) => {
    for (let task = 0; task < tasks; task++) {
      nowMs += everyMs;
      window.done();
    }
  };
  assert.equal(window.size, 4);
  work(30, 100);
  assert.equal(window.size, 4);
  work(1000, 5);
  assert.equal(window.size, 40);
  work(3000, 0.5);
  assert.equal(window.size, 128);
  work(3, 1000);
  assert.equal(window.size, 4);
});
