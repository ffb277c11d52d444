// Top eigenpairs against dense eigendecompositions and spectra made to order.
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import fc from 'fast-check';
import { createLinearAlgebra } from '../linalg/index.js';
import { randomSymmetric } from '../linalg/testing/matrices.js';
import {
  denseOperator,
  noisyOperator,
  operatorWithSpectrum,
  spectrum,
} from '../testing/operators.js';
import { panelColumns } from './panel-rows.js';
import type { SymmetricOperator } from './symmetric-operator.js';
import {
  type EigenOptions,
  type EigenProgress,
  type Eigenpairs,
  topEigenpairs,
} from './top-eigenpairs.js';

const linalg = await createLinearAlgebra('auto');
after(() => linalg.close());

function find(operator: SymmetricOperator, options: Partial<EigenOptions>): Promise<Eigenpairs> {
  const usual = { top: 10, tolerance: 1e-6, mostProducts: 5000, seed: 1n };
  return topEigenpairs(operator, linalg, { ...usual, ...options });
}

/** The largest values, in order. */
function largest(values: ArrayLike<number>, count: number): number[] {
  return [...Float64Array.from(values).sort().reverse().slice(0, count)];
}

function assertClose(actual: Float64Array, expected: readonly number[], error: number): void {
  assert.equal(actual.length, expected.length);
  for (const [i, value] of expected.entries()) {
    const off = Math.abs((actual[i] as number) - value);
    assert.ok(off <= error, `value ${i} is ${actual[i]}, off by ${off}`);
  }
}

/** Residuals as stated, orthonormal rows, fixed signs. */
async function assertPairs(
  operator: SymmetricOperator,
  pairs: Eigenpairs,
  tolerance: number,
  scale = Math.max(...pairs.values.map(Math.abs)),
): Promise<void> {
  const { dim } = operator;
  const k = pairs.values.length;
  const images = await operator.apply(pairs.vectors, k);
  for (let i = 0; i < k; i++) {
    const row = pairs.vectors.subarray(i * dim, (i + 1) * dim);
    const rest = row.map(
      (v, j) => (images[i * dim + j] as number) - (pairs.values[i] as number) * v,
    );
    const residual = Math.hypot(...rest);
    assert.ok(residual <= tolerance * scale, `residual ${i}: ${residual}`);
    assert.ok(Math.abs(residual - (pairs.residuals[i] as number)) <= 1e-14 * scale, `${i}`);
    assert.equal(pairs.converged[i], true);
    const peak = Math.max(...row.map(Math.abs));
    assert.ok((row.find((v) => Math.abs(v) === peak) ?? 0) > 0, `the sign of vector ${i}`);
    for (let j = 0; j <= i; j++) {
      const other = pairs.vectors.subarray(j * dim, (j + 1) * dim);
      const product = row.reduce((sum, v, at) => sum + v * (other[at] as number), 0);
      assert.ok(Math.abs(product - (i === j ? 1 : 0)) < 1e-12, `vectors ${i} and ${j}: ${product}`);
    }
  }
}

/** Outliers and a bulk, as layers of classifiers have. */
const layerLike = spectrum(700, (i) => (i < 9 ? 10 / (1 + 0.3 * i) : 0.8 / (1 + (i - 9) / 20)));

test('a random dense matrix, indefinite, against eigh', async () => {
  const dim = 160;
  const matrix = randomSymmetric(dim, 3);
  const dense = await linalg.eigh(matrix, dim);
  const operator = denseOperator(matrix, dim);
  const pairs = await find(operator, { top: 12, tolerance: 1e-10 });
  assertClose(pairs.values, [...dense.values.slice(0, 12)], 1e-11);
  await assertPairs(operator, pairs, 1e-10);
  for (let i = 0; i < 12 * dim; i++) {
    const off = Math.abs((pairs.vectors[i] as number) - (dense.vectors[i] as number));
    assert.ok(off < 1e-8, `entry ${i} of the vectors is off by ${off}`);
  }
});

test('outliers and a bulk, for few and many pairs, by blocks of any size', async () => {
  for (const [top, block] of [
    [1, 1],
    [1, 8],
    [10, 4],
    [10, 16],
    [60, 8],
    [150, 16],
  ] as const) {
    const operator = operatorWithSpectrum(layerLike);
    const pairs = await find(operator, { top, block });
    assertClose(pairs.values, largest(layerLike, top), 2e-8);
    await assertPairs(operator, pairs, 1e-6);
    assert.ok(pairs.products < 8 * (top + 64), `${pairs.products} products for ${top} pairs`);
  }
});

test('a spectrum without gaps needs restarts', async () => {
  const values = spectrum(900, (i) => 1 - (0.5 * i) / 900);
  const operator = operatorWithSpectrum(values);
  const pairs = await find(operator, { top: 20, block: 8 });
  assert.ok(pairs.products > 3 * 84, `${pairs.products} products`);
  assertClose(pairs.values, largest(values, 20), 1e-9);
  await assertPairs(operator, pairs, 1e-6);
});

test('more copies of an eigenvalue than a block has vectors', async () => {
  const values = spectrum(500, (i) => [5, 4, 3][Math.floor(i / 30)] ?? 1 / (1 + i));
  for (const top of [20, 40, 75, 100]) {
    const operator = operatorWithSpectrum(values);
    const pairs = await find(operator, { top, block: 8 });
    assertClose(pairs.values, largest(values, top), 1e-9);
    await assertPairs(operator, pairs, 1e-6);
  }
});

test('copies of eigenvalues that rounding errors of products set apart', async () => {
  // As in the last layer under the squared error: every eigenvalue of E[x x^T] once for each output.
  const values = spectrum(400, (i) => 5 * 0.6 ** Math.floor(i / 10));
  const operator = noisyOperator(operatorWithSpectrum(values), 5 * 1e-7);
  for (const [top, block] of [
    [12, 4],
    [25, 4],
    [50, 8],
  ] as const) {
    const pairs = await find(operator, { top, block });
    assertClose(pairs.values, largest(values, top), 5e-6);
    assert.ok(pairs.converged.every(Boolean));
  }
});

test('clusters of close eigenvalues', async () => {
  const values = spectrum(400, (i) => (i < 40 ? 3 - Math.floor(i / 10) - 1e-7 * i : 0.1 / (1 + i)));
  const operator = operatorWithSpectrum(values);
  const pairs = await find(operator, { top: 40, tolerance: 1e-9, block: 12 });
  assertClose(pairs.values, largest(values, 40), 1e-9);
  await assertPairs(operator, pairs, 1e-9);
});

test('fewer nonzero eigenvalues than are wanted', async () => {
  const values = spectrum(300, (i) => (i < 5 ? 5 - i : 0));
  const operator = operatorWithSpectrum(values);
  const pairs = await find(operator, { top: 30 });
  assertClose(pairs.values, largest(values, 30), 1e-13);
  await assertPairs(operator, pairs, 1e-12);
});

test('the zero operator and multiples of the identity', async () => {
  for (const value of [0, 2, -3]) {
    const operator = operatorWithSpectrum(spectrum(120, () => value));
    const pairs = await find(operator, { top: 30 });
    assertClose(pairs.values, Array(30).fill(value), 1e-13);
    await assertPairs(operator, pairs, 1e-12);
  }
});

test('small dimensions, all of the pairs, and more than there are', async () => {
  for (const dim of [1, 2, 3, 8, 17, 80]) {
    const matrix = randomSymmetric(dim, 11 + dim);
    const dense = await linalg.eigh(matrix, dim);
    for (const top of [1, Math.ceil(dim / 2), dim, dim + 5]) {
      const operator = denseOperator(matrix, dim);
      const pairs = await find(operator, { top, tolerance: 1e-12 });
      assertClose(pairs.values, [...dense.values.slice(0, top)], 1e-11);
      await assertPairs(operator, pairs, 1e-12);
    }
  }
});

test('eigenvalues of any size', async () => {
  for (const size of [1e-290, 1e-40, 1e40, 1e290]) {
    const values = layerLike.map((value) => value * size);
    const pairs = await find(operatorWithSpectrum(values), { top: 10 });
    assertClose(pairs.values, largest(values, 10), 1e-9 * size);
    assert.ok(pairs.converged.every(Boolean));
    assert.ok(pairs.residuals.every((residual) => residual <= 1e-5 * size));
  }
});

test('largest magnitudes first, on request', async () => {
  const values = spectrum(300, (i) => (i % 2 === 0 ? 1 : -1) / (1 + i));
  const operator = operatorWithSpectrum(values);
  const pairs = await find(operator, { top: 6, order: 'magnitude' });
  assertClose(pairs.values, [1, -1 / 2, 1 / 3, -1 / 4, 1 / 5, -1 / 6], 1e-9);
  await assertPairs(operator, pairs, 1e-6);
});

test('both ends, in turn, on request', async () => {
  const values = spectrum(300, (i) => (i % 3 === 0 ? -0.5 : 1) / (1 + i));
  const ascending = [...values].sort((a, b) => a - b);
  const operator = operatorWithSpectrum(values);
  const pairs = await find(operator, { top: 9, order: 'ends' });
  const expected = Array.from({ length: 9 }, (_, i) =>
    i % 2 === 0 ? (ascending.at(-1 - i / 2) ?? NaN) : (ascending[(i - 1) / 2] ?? NaN),
  );
  assertClose(pairs.values, expected, 1e-8);
  await assertPairs(operator, pairs, 1e-6);
});

test('both ends with more copies than a block has vectors', async () => {
  const values = spectrum(400, (i) => (i < 20 ? 2 : i < 40 ? -1 : i < 60 ? -0.5 : 1 / (2 + i)));
  for (const order of ['ends', 'magnitude'] as const) {
    const pairs = await find(operatorWithSpectrum(values), { top: 60, order, block: 8 });
    const descending = Float64Array.from(pairs.values).sort().reverse();
    const ascending = [...values].sort((a, b) => a - b);
    const byMagnitude = [...values].sort((a, b) => Math.abs(b) - Math.abs(a)).slice(0, 60);
    const wanted =
      order === 'ends' ? [...ascending.slice(0, 30), ...ascending.slice(-30)] : byMagnitude;
    assertClose(
      descending,
      wanted.sort((a, b) => b - a),
      1e-9,
    );
  }
});

test('both ends of a small matrix are all of its pairs', async () => {
  const matrix = randomSymmetric(7, 5);
  const dense = await linalg.eigh(matrix, 7);
  const pairs = await find(denseOperator(matrix, 7), { top: 20, order: 'ends', tolerance: 1e-12 });
  assertClose(Float64Array.from(pairs.values).sort().reverse(), [...dense.values], 1e-11);
});

test('what memory held before makes no difference', async () => {
  const [operator, other] = [layerLike, layerLike.map((value) => 1e6 - value)].map((values) =>
    operatorWithSpectrum(values),
  ) as [SymmetricOperator, SymmetricOperator];
  const first = await find(operator, { top: 6 });
  await find(other, { top: 6 });
  const again = await find(operator, { top: 6 });
  assert.deepEqual(again, first);
});

test('vectors longer than a panel', async () => {
  const dim = 10_000;
  assert.ok(dim > 2 * panelColumns(dim));
  const values = spectrum(dim, (i) => (i < 3 ? 3 - i : 1 / (4 + i)));
  const operator = operatorWithSpectrum(values);
  const pairs = await find(operator, { top: 4, block: 4 });
  assertClose(pairs.values, largest(values, 4), 1e-9);
  await assertPairs(operator, pairs, 1e-6);
});

test('products with rounding errors below the tolerance do not hinder', async () => {
  const operator = noisyOperator(operatorWithSpectrum(layerLike), 10 * 3e-7);
  const pairs = await find(operator, { top: 50 });
  assert.ok(pairs.converged.every(Boolean));
  assertClose(pairs.values, largest(layerLike, 50), 1e-6);
});

test('rounding errors above the tolerance end the iteration, and it says so', async () => {
  const operator = noisyOperator(operatorWithSpectrum(layerLike), 10 * 1e-4);
  const pairs = await find(operator, { top: 50, mostProducts: 1e6 });
  assert.ok(pairs.products < 1000, `${pairs.products} products`);
  assert.ok(pairs.converged.every((converged) => !converged));
  assert.ok(pairs.residuals.every((residual) => residual > 1e-5 && residual < 1e-2));
  assertClose(pairs.values, largest(layerLike, 50), 1e-3);
});

test('out of products: what there is, with residuals, and what is not converged says so', async () => {
  const values = spectrum(900, (i) => (i < 5 ? 5 - i / 2 : 1 - (0.5 * i) / 900));
  const operator = operatorWithSpectrum(values);
  const pairs = await find(operator, { top: 20, block: 8, mostProducts: 130 });
  assert.ok(pairs.products <= 130, `${pairs.products} products`);
  assert.deepEqual([...pairs.converged.slice(0, 5)], Array(5).fill(true));
  assert.equal(pairs.converged[19], false);
  assertClose(pairs.values.slice(0, 5), largest(values, 5), 1e-9);
  for (const [i, residual] of pairs.residuals.entries()) {
    assert.equal(residual <= 1e-6 * (pairs.values[0] ?? 0), pairs.converged[i]);
  }
  const few = await find(operator, { top: 20, block: 8, mostProducts: 1 });
  assert.equal(few.values.length, 20);
  assert.ok(few.residuals.every(Number.isFinite));
});

test('the same bytes every time, and others for another seed', async () => {
  const run = (seed: bigint) => find(operatorWithSpectrum(layerLike), { top: 20, seed });
  const [first, again, other] = [await run(3n), await run(3n), await run(4n)];
  assert.deepEqual(again, first);
  assert.notDeepEqual(other.vectors, first.vectors);
  assertClose(other.values, [...first.values], 1e-9);
});

test('progress tells products, iterations, residual and converged pairs', async () => {
  const seen: EigenProgress[] = [];
  const pairs = await find(operatorWithSpectrum(layerLike), {
    top: 20,
    block: 8,
    onProgress: (progress) => seen.push(progress),
  });
  assert.deepEqual(
    seen.slice(0, 3).map(({ products, iterations }) => [products, iterations]),
    [
      [8, 1],
      [16, 2],
      [24, 3],
    ],
  );
  assert.equal(seen[1]?.residual, undefined);
  assert.equal(seen.at(-1)?.converged, 20);
  assert.ok((seen.at(-1)?.residual ?? 1) <= 1e-6);
  assert.equal(seen.at(-1)?.products, pairs.products, 'products are kept for the residuals');
});

test('the products of long vectors are not kept: residuals take their own', async () => {
  const dim = 70_000;
  const diagonal = (i: number) => 0.8 ** i;
  const operator: SymmetricOperator = {
    dim,
    apply: async (vectors, count) =>
      vectors.subarray(0, count * dim).map((value, at) => value * diagonal(at % dim)),
  };
  let last = 0;
  const pairs = await find(operator, {
    top: 5,
    block: 2,
    onProgress: ({ products }) => {
      last = products;
    },
  });
  assert.equal(pairs.products, last + 5);
  assertClose(pairs.values, [0, 1, 2, 3, 4].map(diagonal), 1e-10);
  await assertPairs(operator, pairs, 1e-6);
});

test('an error of the products is passed on', async () => {
  const broken = { dim: 50, apply: () => Promise.reject(new Error('no product')) };
  await assert.rejects(find(broken, {}), /no product/);
});

test('any spectrum: the largest values, within the residuals', async () => {
  const value = fc.oneof(
    fc.double({ min: -10, max: 10, noNaN: true }),
    fc.constantFrom(0, 1, 1, 2),
  );
  const property = fc.asyncProperty(
    fc.array(value, { minLength: 1, maxLength: 60 }),
    fc.integer({ min: 1, max: 12 }),
    fc.integer({ min: 1, max: 5 }),
    async (values, top, block) => {
      const operator = operatorWithSpectrum(values);
      const pairs = await find(operator, { top, block, tolerance: 1e-9 });
      const scale = Math.max(...values.map(Math.abs));
      assertClose(pairs.values, largest(values, top), 1e-8 * scale);
      await assertPairs(operator, pairs, 1e-9, scale);
    },
  );
  await fc.assert(property, { numRuns: 60, seed: 42 });
});
