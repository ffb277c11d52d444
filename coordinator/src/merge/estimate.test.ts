import assert from 'node:assert/strict';
import { test } from 'node:test';
import { rootOfQuotient } from './estimate.js';

test('the root of a quotient, and how its error follows', () => {
  const found = rootOfQuotient({ value: 4, standardError: 0.08 }, { value: 16, standardError: 0 });
  assert.equal(found?.value, 0.5);
  // d sqrt(a / 16) / da = 1 / (32 * 0.5)
  assert.ok(Math.abs((found?.standardError ?? 0) - 0.005) < 1e-15);
});

test('a relative error of the denominator counts half', () => {
  const found = rootOfQuotient({ value: 1, standardError: 0 }, { value: 4, standardError: 0.04 });
  assert.ok(Math.abs((found?.standardError ?? 0) - 0.5 * 0.5 * 0.01) < 1e-15);
});

test('zero over something is zero, with a finite error; over nothing it is not defined', () => {
  const none = rootOfQuotient({ value: 0, standardError: 0.01 }, { value: 1, standardError: 0 });
  assert.deepEqual(none, { value: 0, standardError: 0.1 });
  assert.equal(
    rootOfQuotient({ value: 1, standardError: 0 }, { value: 0, standardError: 0 }),
    null,
  );
});
