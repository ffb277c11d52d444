// Short tasks are taken ahead, long ones are not.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Pace } from './pace.js';

test('what is taken ahead follows how long tasks take', () => {
  const pace = new Pace(2);
  assert.equal(pace.capacity, 2);
  pace.took(10);
  assert.equal(pace.capacity, 2 + 10);
  pace.took(60_000);
  assert.equal(pace.capacity, 2);
  for (let i = 0; i < 100; i++) pace.took(0.1);
  assert.equal(pace.capacity, 2 + 256);
  // Long ones after many short ones are noticed before they end.
  pace.takes(1000);
  assert.equal(pace.capacity, 2);
});
