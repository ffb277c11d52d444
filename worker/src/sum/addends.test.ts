// Addends: what is added and copied, and that nothing that is not finite slips through.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type Addend, upperTriangle, vector } from './addends.js';

fc.configureGlobal({ seed: 20 });

/** Copies once, adds twice. */
function tripled(addend: Addend): { readonly sum: Float64Array; readonly checks: number[] } {
  const sum = new Float64Array(addend.length).fill(Number.NaN);
  const checks = [addend.copyTo(sum), addend.addTo(sum), addend.addTo(sum)];
  return { sum, checks };
}

const whole = fc.integer({ min: -1000, max: 1000 });

test('vectors of any length are copied and added whole', () => {
  fc.assert(
    fc.property(fc.array(whole, { maxLength: 20 }), fc.boolean(), (values, double) => {
      const floats = double ? Float64Array.from(values) : Float32Array.from(values);
      const { sum, checks } = tripled(vector(floats));
      assert.deepEqual(
        [...sum],
        values.map((value) => 3 * value || 0),
      );
      assert.deepEqual(checks, [0, 0, 0]);
    }),
  );
});

test('of a matrix the upper triangle counts, row by row, whatever stands below', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 9 }), fc.boolean(), (n, double) => {
      const full = Array.from({ length: n * n }, (_, i) =>
        Math.floor(i / n) > i % n ? Number.NaN : i,
      );
      const floats = double ? Float64Array.from(full) : Float32Array.from(full);
      const { sum, checks } = tripled(upperTriangle(floats, n));
      assert.deepEqual(
        [...sum],
        full.filter((value) => !Number.isNaN(value)).map((i) => 3 * i),
      );
      assert.deepEqual(checks, [0, 0, 0]);
    }),
  );
});

test('a value that is not finite is seen at any place', () => {
  for (let n = 1; n <= 5; n++) {
    for (const bad of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]) {
      for (let at = 0; at < n * n; at++) {
        const full = new Float32Array(n * n).fill(3e38);
        full[at] = bad;
        assert.ok(tripled(vector(full)).checks.every(Number.isNaN));
        const above = Math.floor(at / n) <= at % n;
        assert.equal(tripled(upperTriangle(full, n)).checks.every(Number.isNaN), above);
      }
    }
  }
});
