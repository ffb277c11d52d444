import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { binaryKl, inverseBinaryKl } from './binary-kl.js';

const share = () => fc.double({ min: 0, max: 1, noNaN: true });
const rate = () => fc.double({ min: 0, max: 50, noNaN: true });
const seeded = { seed: 5, numRuns: 500 };

test('the relative entropy of Bernoulli distributions, at its ends and between', () => {
  assert.equal(binaryKl(0, 0), 0);
  assert.equal(binaryKl(1, 1), 0);
  assert.equal(binaryKl(0.25, 0.25), 0);
  assert.equal(binaryKl(0, 1), Infinity);
  assert.equal(binaryKl(0.5, 1), Infinity);
  assert.equal(binaryKl(0.5, 0), Infinity);
  assert.equal(binaryKl(1, 0), Infinity);
  assert.equal(binaryKl(0, 0.5), Math.LN2);
  assert.ok(Math.abs(binaryKl(1, 0.5) - Math.LN2) < 1e-16);
  assert.ok(Math.abs(binaryKl(0.1, 0.3) - 0.1163217566) < 1e-10);
  // Where no rounding may show: kl(q || q + e) = e^2 / (2 q (1 - q)) - ..., here with e = 2^-30.
  const e = 2 ** -30;
  assert.ok(Math.abs(binaryKl(0.5, 0.5 + e) / (2 * e * e) - 1) < 1e-14);
  assert.ok(Math.abs(binaryKl(1e-310, 0.5) - Math.LN2) < 1e-15);
  for (const bad of [-0.1, 1.1, NaN]) {
    assert.throws(() => binaryKl(bad, 0.5), RangeError);
    assert.throws(() => binaryKl(0.5, bad), RangeError);
  }
});

test('it is zero at equality alone, and grows away from it', () => {
  fc.assert(
    fc.property(share(), share(), share(), (q, a, b) => {
      const [near, far] = [q + (1 - q) * Math.min(a, b), q + (1 - q) * Math.max(a, b)];
      assert.ok(binaryKl(q, near) >= 0);
      assert.ok(binaryKl(q, near) <= binaryKl(q, far) * (1 + 1e-14));
    }),
    seeded,
  );
});

test('the inverse is the largest error that the bound allows', () => {
  fc.assert(
    fc.property(share(), rate(), (q, bound) => {
      const p = inverseBinaryKl(q, bound);
      assert.ok(p >= q && p <= 1);
      if (q > 0) assert.ok(binaryKl(q, p) <= bound);
      // One bit more is too much, up to the rounding of p itself.
      const next = Math.min(1, p + 2 * Number.EPSILON * p + Number.MIN_VALUE);
      if (p < 1 && q > 1e-300) assert.ok(binaryKl(q, next) >= bound * (1 - 1e-14));
    }),
    seeded,
  );
});

test('the inverse is monotone in the bound and in the error', () => {
  fc.assert(
    fc.property(share(), share(), rate(), rate(), (q1, q2, b1, b2) => {
      const [low, high] = [Math.min(b1, b2), Math.max(b1, b2)];
      assert.ok(inverseBinaryKl(q1, low) <= inverseBinaryKl(q1, high));
      const [q, worse] = [Math.min(q1, q2), Math.max(q1, q2)];
      assert.ok(inverseBinaryKl(q, low) <= inverseBinaryKl(worse, low) * (1 + 4 * Number.EPSILON));
    }),
    seeded,
  );
});

test('the inverse at its ends', () => {
  assert.equal(inverseBinaryKl(0, 0), 0);
  assert.equal(inverseBinaryKl(1, 0.3), 1);
  assert.equal(inverseBinaryKl(0.3, 0), 0.3);
  assert.equal(inverseBinaryKl(0, Math.LN2), 0.5);
  assert.equal(inverseBinaryKl(0, 1e-20), 1e-20);
  assert.equal(inverseBinaryKl(0.3, Infinity), 1);
  assert.equal(inverseBinaryKl(0.3, 1e4), 1 - Number.EPSILON / 2);
  assert.throws(() => inverseBinaryKl(0.3, -1), /at least 0, got -1/);
  assert.throws(() => inverseBinaryKl(0.3, NaN), RangeError);
  assert.throws(() => inverseBinaryKl(1.3, 1), RangeError);
});
