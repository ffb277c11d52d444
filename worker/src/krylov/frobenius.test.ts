// Estimates of Frobenius norms against the truth.
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { createLinearAlgebra } from '../linalg/index.js';
import { denseOperator, operatorWithSpectrum, spectrum } from '../testing/operators.js';
import { frobeniusNorm, frobeniusNorms } from './frobenius.js';
import { topEigenpairs } from './top-eigenpairs.js';

const linalg = await createLinearAlgebra('auto');
after(() => linalg.close());

const values = spectrum(400, (i) => (i < 6 ? 6 - i : 1 / (1 + i)));
const truth = values.reduce((sum, value) => sum + value * value, 0);
const operator = operatorWithSpectrum(values);

test('the estimate lies within its standard errors, which shrink with the number of vectors', async () => {
  const errors: number[] = [];
  for (const probes of [50, 800]) {
    const options = { probes, seed: 2n, block: 16 };
    const { value, standardError } = await frobeniusNorm(operator, linalg, options);
    assert.ok(
      Math.abs(value - truth) < 4 * standardError,
      `${value} +- ${standardError}: ${truth}`,
    );
    errors.push(standardError);
  }
  const [few = 0, many = 0] = errors;
  assert.ok(many < few / 2.5 && many > few / 6.5, `${few} to ${many}, expected a quarter`);
  // Var(z^T A^2 z) is at most 2 ||A^2||_F^2 for random signs.
  const fourth = values.reduce((sum, value) => sum + value ** 4, 0);
  assert.ok(many < 1.3 * Math.sqrt((2 * fourth) / 800), `${many}`);
});

test('of a diagonal matrix nothing is left to chance but the vectors with known directions', async () => {
  const dim = 5;
  const matrix = new Float64Array(dim * dim);
  for (let i = 0; i < dim; i++) matrix[i * dim + i] = i;
  const options = { probes: 3, seed: 2n, block: 2 };
  const estimate = await frobeniusNorm(denseOperator(matrix, dim), linalg, options);
  assert.equal(estimate.value, 30);
  assert.equal(estimate.standardError, 0);
  const one = await frobeniusNorm(operator, linalg, { ...options, probes: 1 });
  assert.equal(one.standardError, Number.POSITIVE_INFINITY);
});

test('eigenvectors take their part out of the error', async () => {
  const top = 8;
  const eigen = { top, tolerance: 1e-9, mostProducts: 2000, seed: 1n };
  const pairs = await topEigenpairs(operator, linalg, eigen);
  const { dim } = operator;
  const known = {
    rows: pairs.vectors,
    count: top,
    images: async (first: number, count: number) => {
      const rows = pairs.vectors.slice(first * dim, (first + count) * dim);
      return [await operator.apply(rows, count), rows];
    },
  };
  const images = async (vectors: Float64Array, count: number) => [
    await operator.apply(vectors, count),
    vectors.slice(),
  ];
  const options = { probes: 40, seed: 2n, block: 3 };
  const plain = await frobeniusNorm(operator, linalg, options);
  const norms = await frobeniusNorms(images, dim, 2, linalg, { ...options, known });
  const [estimate, identity] = norms;
  assert.ok(estimate !== undefined && identity !== undefined);
  assert.ok(estimate.standardError < plain.standardError / 100, `${estimate.standardError}`);
  assert.ok(Math.abs(estimate.value - truth) < 4 * estimate.standardError);
  assert.ok(Math.abs(identity.value - dim) < 4 * identity.standardError + 1e-9);
  assert.deepEqual(await frobeniusNorms(images, dim, 2, linalg, { ...options, known }), norms);
});

test('all directions known: no estimate', async () => {
  const dim = 4;
  const rows = new Float64Array(dim * dim);
  for (let i = 0; i < dim; i++) rows[i * dim + i] = 1;
  const small = operatorWithSpectrum([3, 2, 1, 0]);
  const images = async (first: number, count: number) => [
    await small.apply(rows.subarray(first * dim, (first + count) * dim), count),
  ];
  const never = () => Promise.reject(new Error('no product is needed'));
  const options = { probes: 4, seed: 1n, block: 3, known: { rows, count: dim, images } };
  const [estimate] = await frobeniusNorms(never, dim, 1, linalg, options);
  assert.ok(Math.abs((estimate?.value ?? 0) - 14) < 1e-13);
  assert.equal(estimate?.standardError, 0);
});
