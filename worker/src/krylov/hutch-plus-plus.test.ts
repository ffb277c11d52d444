// Hutch++ against traces that are known.
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { createLinearAlgebra } from '../linalg/index.js';
import {
  denseOperator,
  noisyOperator,
  operatorWithSpectrum,
  spectrum,
} from '../testing/operators.js';
import { hutchPlusPlus } from './hutch-plus-plus.js';
import { normalRows } from './random-rows.js';
import { topEigenpairs } from './top-eigenpairs.js';

const linalg = await createLinearAlgebra('auto');
after(() => linalg.close());

const sum = (values: Float64Array) => values.reduce((total, value) => total + value, 0);
/** A few outliers of both signs above a bulk that decays. */
const values = spectrum(400, (i) => (i < 6 ? (i % 2 === 0 ? 9 - i : i - 4) : 1 / (1 + i)));
const operator = operatorWithSpectrum(values);
const truth = sum(values);

test('the estimate converges to the dense truth, within its standard errors', async () => {
  const errors: number[] = [];
  for (const size of [16, 64, 256]) {
    const options = { sketch: size, probes: size, seed: 3n, block: 12 };
    const { value, standardError, products } = await hutchPlusPlus(operator, linalg, options);
    assert.equal(products, 3 * size);
    assert.ok(
      Math.abs(value - truth) < 4 * standardError,
      `${value} +- ${standardError}: ${truth}`,
    );
    errors.push(standardError);
  }
  const [few = 0, more = 0, many = 0] = errors;
  // Plain Hutchinson would gain a factor of 2 each time.
  assert.ok(more < few / 3 && many < more / 3, `${errors}`);
});

test('the mean over seeds has no bias', async () => {
  const found: number[] = [];
  for (let seed = 0n; seed < 60n; seed++) {
    const options = { sketch: 4, probes: 4, seed, block: 4 };
    found.push((await hutchPlusPlus(operator, linalg, options)).value);
  }
  const mean = found.reduce((total, value) => total + value, 0) / found.length;
  const spread = found.reduce((total, value) => total + (value - mean) ** 2, 0);
  const standardError = Math.sqrt(spread / (found.length - 1) / found.length);
  assert.ok(Math.abs(mean - truth) < 4 * standardError, `${mean} +- ${standardError}: ${truth}`);
});

test('a sketch of the whole range leaves nothing to chance, at any scale', async () => {
  for (const scale of [1, 1e-200, 1e200]) {
    const lowRank = spectrum(90, (i) => (i < 7 ? scale * (i - 2.5) : 0));
    const options = { sketch: 12, probes: 5, seed: 1n, block: 5 };
    const estimate = await hutchPlusPlus(operatorWithSpectrum(lowRank), linalg, options);
    const exact = sum(lowRank);
    assert.ok(Math.abs(estimate.value / exact - 1) < 1e-12, `${estimate.value}: ${exact}`);
    assert.ok(estimate.standardError < 1e-12 * scale);
  }
  const whole = { sketch: 500, probes: 5, seed: 1n, block: 64 };
  const estimate = await hutchPlusPlus(operator, linalg, whole);
  assert.ok(Math.abs(estimate.value - truth) < 1e-11);
  assert.deepEqual([estimate.standardError, estimate.products], [0, 800]);
  const zero = await hutchPlusPlus(operatorWithSpectrum(spectrum(20, () => 0)), linalg, whole);
  assert.deepEqual([zero.value, zero.standardError], [0, 0]);
});

test('eigenpairs that are known cost nothing and take their part out of the error', async () => {
  // Without a nearly diagonal rest, on which random signs would be exact by themselves.
  const dim = 300;
  const directions = normalRows(9n, 7, 0, dim, dim);
  const weights = spectrum(dim, (i) => (i < 8 ? 10 * (9 - i) : 10 / (1 + i)));
  const scaledRows = directions.map((x, at) => x * (weights[Math.floor(at / dim)] as number));
  const shape = { rows: dim, inner: dim, columns: dim, transposeA: true };
  const matrix = await linalg.gemm(directions, scaledRows, shape);
  const operator = denseOperator(matrix, dim);
  const truth = sum(spectrum(dim, (i) => matrix[i * dim + i] as number));
  const eigen = { top: 10, tolerance: 1e-10, mostProducts: 4000, seed: 1n };
  const eigenpairs = await topEigenpairs(operator, linalg, { ...eigen, order: 'magnitude' });
  const options = { sketch: 0, probes: 30, seed: 2n, block: 7 };
  const plain = await hutchPlusPlus(operator, linalg, options);
  const found = await hutchPlusPlus(operator, linalg, { ...options, eigenpairs });
  assert.ok(found.standardError < plain.standardError / 5, `${found.standardError}`);
  assert.ok(Math.abs(found.value - truth) < 4 * found.standardError);
  assert.equal(found.products, 30);
  const both = await hutchPlusPlus(operator, linalg, { ...options, sketch: 120, eigenpairs });
  assert.ok(
    both.standardError < found.standardError / 2,
    `${both.standardError} ${found.standardError}`,
  );
  assert.ok(Math.abs(both.value - truth) < 4 * both.standardError);
});

test('products with float32 errors shift the estimate by no more than these', async () => {
  const options = { sketch: 20, probes: 20, seed: 2n, block: 10 };
  const clean = await hutchPlusPlus(operator, linalg, options);
  const noisy = await hutchPlusPlus(noisyOperator(operator, 1e-6), linalg, options);
  assert.ok(Math.abs(noisy.value - clean.value) < 3 * clean.standardError);
  assert.deepEqual(await hutchPlusPlus(operator, linalg, options), clean);
});
