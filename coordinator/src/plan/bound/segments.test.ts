import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cutSegments } from './segments.js';

const schedule = { epochs: 60, interval: 10, decayEpochs: 20, checkpoint: 25 };
const bases = (variant: Parameters<typeof cutSegments>[0], of = schedule) =>
  cutSegments(variant, of).flatMap(({ first, newBasis }) => (newBasis ? [first] : []));

test('the epochs are covered without gaps, in tasks of at most a checkpoint', () => {
  for (const variant of ['base', 'appr', 'iter', 'iter-d', 'iter-m'] as const) {
    const segments = cutSegments(variant, schedule);
    assert.equal(segments[0]?.first, 0);
    assert.equal(segments.at(-1)?.last, 60);
    segments.slice(1).forEach(({ first }, index) => {
      assert.equal(first, segments[index]?.last);
    });
    for (const { first, last } of segments) assert.ok(last > first && last - first <= 25);
  }
});

test('each variant finds its bases when it should', () => {
  assert.deepEqual(bases('base'), []);
  assert.deepEqual(bases('appr'), [0]);
  assert.deepEqual(bases('iter'), [0, 10, 20, 30, 40, 50]);
  // The interval is 10 until epoch 20, then 100.
  assert.deepEqual(bases('iter-m'), bases('iter'));
  assert.deepEqual(bases('iter-d'), [0, 10]);
  assert.deepEqual(
    bases('iter-d', { ...schedule, epochs: 400, decayEpochs: 200 }).slice(-3),
    [190, 290, 390],
  );
  assert.deepEqual(bases('iter-d', { ...schedule, decayEpochs: 0 }), bases('iter'));
});
