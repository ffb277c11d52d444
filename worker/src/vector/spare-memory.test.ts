// Memory of arrays: used again for the same length and kind, never two users at a time, and not hoarded.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { giveFloats, takeFloats } from './spare-memory.js';

test('an array that was given back serves the next of its length', () => {
  const array = takeFloats(1001);
  giveFloats(array);
  assert.notEqual(takeFloats(1002), array);
  assert.equal(takeFloats(1001), array);
  assert.notEqual(takeFloats(1001), array, 'it has one user');
});

test('memory that threads share is apart', () => {
  const array = takeFloats(1003);
  giveFloats(array);
  const shared = takeFloats(1003, true);
  assert.ok(shared.buffer instanceof SharedArrayBuffer);
  giveFloats(shared);
  assert.equal(takeFloats(1003), array);
  assert.equal(takeFloats(1003, true), shared);
});

test('beyond 64 MiB the oldest is forgotten', () => {
  const half = 2 ** 22;
  const [first, second, third] = [takeFloats(half), takeFloats(half), takeFloats(half)];
  for (const array of [first, second, third]) giveFloats(array);
  assert.equal(takeFloats(half), third);
  assert.equal(takeFloats(half), second);
  assert.notEqual(takeFloats(half), first);
});
