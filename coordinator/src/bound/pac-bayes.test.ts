import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { inverseBinaryKl } from './binary-kl.js';
import { gaussianKl } from './gaussian-kl.js';
import { bestBound, boundRate, confidence, monteCarloBound } from './pac-bayes.js';
import { gridLogLambda, gridNeighbours, gridPosition } from './prior-grid.js';

const SETTING = { delta: 0.025, deltaPrime: 0.01, b: 100, c: 0.1 };
const seeded = { seed: 5, numRuns: 300 };
const near = (actual: number, expected: number, tolerance: number) =>
  assert.ok(
    Math.abs(actual - expected) <= tolerance,
    `${actual} is not within ${tolerance} of ${expected}`,
  );

/** Rows of arXiv 2010.04261 on MNIST, N = 60000: KL, bound on the training error, 1/2 log lambda, bound. */
const ROWS = [
  ['T-600 Base', 4612.6, 0.03373, -1.3313, 0.154],
  ['T-600 Iter', 3766.1, 0.02347, -1.2913, 0.1198],
  ['T-600^2 Appr', 5176.1, 0.03468, -2.0963, 0.1658],
  ['T-1200 Iter', 5071, 0.02292, -1.4763, 0.1417],
  ['T-300^2 Base', 5514.9, 0.03329, -1.1513, 0.1686],
  ['R-600 Appr', 390.25, 0.5066, -2.4713, 0.5653],
  ['T-200^2 10-class Appr', 11068, 0.0366, -1.4213, 0.2621],
  ['T-600 10-class Base', 12674, 0.03854, -1.1513, 0.2879],
] as const;

test('published bounds follow from their KL, training error and prior variance', () => {
  for (const [name, kl, snn, halfLogLambda, published] of ROWS) {
    const j = Math.max(1, Math.round(gridPosition(SETTING, 2 * halfLogLambda)));
    const bound = inverseBinaryKl(snn, boundRate(kl, j, 60_000, SETTING));
    const tolerance = halfLogLambda === -1.1513 ? 5e-4 : 2e-4;
    assert.ok(
      Math.abs(bound - published) <= tolerance,
      `${name}: ${bound}, published ${published}`,
    );
  }
});

test('KL of Gaussians: zero between equal ones, and a sum over coordinates', () => {
  const equal = {
    parameters: 7,
    varianceSum: 7 * 0.3,
    logDeviationSum: (7 / 2) * Math.log(0.3),
    squaredDistance: 0,
  };
  near(gaussianKl(equal, Math.log(0.3)), 0, 1e-14);
  const coordinate = fc.record({
    s: fc.double({ min: -6, max: 1, noNaN: true }),
    difference: fc.double({ min: -2, max: 2, noNaN: true }),
  });
  fc.assert(
    fc.property(
      fc.array(coordinate, { minLength: 1, maxLength: 20 }),
      fc.double({ min: -6, max: 0, noNaN: true }),
      (coordinates, logLambda) => {
        const lambda = Math.exp(logLambda);
        const direct = coordinates.reduce((sum, { s, difference }) => {
          const ratio = Math.exp(2 * s) / lambda;
          return sum + 0.5 * (ratio - 1 - Math.log(ratio) + difference ** 2 / lambda);
        }, 0);
        const total = (term: (c: { s: number; difference: number }) => number) =>
          coordinates.reduce((sum, c) => sum + term(c), 0);
        const sums = {
          parameters: coordinates.length,
          varianceSum: total(({ s }) => Math.exp(2 * s)),
          logDeviationSum: total(({ s }) => s),
          squaredDistance: total(({ difference }) => difference ** 2),
        };
        near(gaussianKl(sums, logLambda), direct, 1e-11 * (1 + direct));
        assert.ok(gaussianKl(sums, logLambda) >= -1e-11);
      },
    ),
    seeded,
  );
});

test('the grid of prior variances begins at j = 1', () => {
  near(gridLogLambda(SETTING, 100), Math.log(0.1) - 1, 1e-15);
  near(gridPosition(SETTING, gridLogLambda(SETTING, 37)), 37, 1e-10);
  assert.deepEqual(gridNeighbours(SETTING, gridLogLambda(SETTING, 37)), [37]);
  assert.deepEqual(gridNeighbours(SETTING, gridLogLambda(SETTING, 37.4)), [37, 38]);
  assert.deepEqual(gridNeighbours(SETTING, Math.log(0.1)), [1]);
  assert.deepEqual(gridNeighbours(SETTING, gridLogLambda(SETTING, 0.3)), [1]);
  assert.deepEqual(gridNeighbours(SETTING, 1), [1]);
});

test('the better neighbour is kept, and holds at its own variance', () => {
  const sums = fc.record({
    parameters: fc.integer({ min: 1, max: 1000 }),
    varianceSum: fc.double({ min: 1e-3, max: 100, noNaN: true }),
    logDeviationSum: fc.double({ min: -5000, max: -1000, noNaN: true }),
    squaredDistance: fc.double({ min: 0, max: 10, noNaN: true }),
  });
  fc.assert(
    fc.property(sums, fc.double({ min: -9, max: 1, noNaN: true }), (given, logLambda) => {
      const best = bestBound(given, logLambda, 0.1, 5000, SETTING);
      assert.ok(best.j >= 1 && Number.isInteger(best.j));
      for (const j of gridNeighbours(SETTING, logLambda)) {
        const rate = boundRate(gaussianKl(given, gridLogLambda(SETTING, j)), j, 5000, SETTING);
        assert.ok(best.rate <= rate);
      }
      near(best.kl, gaussianKl(given, 2 * best.halfLogLambda), 1e-9 * (1 + Math.abs(best.kl)));
      assert.equal(best.bound, inverseBinaryKl(0.1, best.rate));
      assert.ok(best.bound >= best.snnError && best.bound <= 1);
    }),
    seeded,
  );
});

test('the bound on the training error tightens with the number of draws', () => {
  near(monteCarloBound(0.03, 150_000, SETTING), 0.03145, 1e-5);
  assert.ok(monteCarloBound(0.03, 1000, SETTING) > monteCarloBound(0.03, 2000, SETTING));
  near(monteCarloBound(0, 1000, SETTING), Math.log(200) / 1000, 2e-5);
  assert.equal(monteCarloBound(1, 1000, SETTING), 1);
  near(confidence(SETTING), 0.965, 1e-15);
});

test('what the theorem does not cover is refused', () => {
  assert.throws(() => boundRate(1, 0, 100, SETTING), /j >= 1, got j = 0/);
  assert.throws(() => boundRate(1, 1, 1, SETTING), /at least 2 samples, got 1/);
  assert.throws(() => boundRate(1, NaN, 100, SETTING), RangeError);
});
