// Spectral norms of indefinite operators and of differences.
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { createLinearAlgebra } from '../linalg/index.js';
import { randomSymmetric } from '../linalg/testing/matrices.js';
import { denseOperator, operatorWithSpectrum, spectrum } from '../testing/operators.js';
import { normOfDifference, operatorNorm } from './operator-norm.js';

const linalg = await createLinearAlgebra('auto');
after(() => linalg.close());

const options = { tolerance: 1e-6, mostProducts: 3000, seed: 1n, block: 4 };

test('the norm of a difference against eigh', async () => {
  const dim = 90;
  const [a, b] = [randomSymmetric(dim, 1), randomSymmetric(dim, 2)];
  const difference = a.map((value, i) => value - (b[i] as number));
  const { values } = await linalg.eigh(difference, dim);
  const expected = Math.max(values[0] ?? 0, -(values[dim - 1] ?? 0));
  const [first, second] = [denseOperator(a, dim), denseOperator(b, dim)];
  const norm = await normOfDifference(first, second, linalg, options);
  assert.ok(Math.abs(norm.value - expected) < 1e-10 * expected, `${norm.value}: ${expected}`);
  assert.ok(norm.converged && norm.residual <= 1e-6 * expected);
});

test('a negative eigenvalue may be the largest', async () => {
  const operator = operatorWithSpectrum(spectrum(300, (i) => (i === 7 ? -5 : 4 / (1 + i))));
  const { value } = await operatorNorm(operator, linalg, options);
  assert.ok(Math.abs(value - 5) < 1e-10);
});

test('two eigenvalues of one magnitude and both signs', async () => {
  const operator = operatorWithSpectrum(spectrum(200, (i) => [3, -3][i] ?? 1 / i));
  const { value, converged } = await operatorNorm(operator, linalg, options);
  assert.ok(Math.abs(value - 3) < 1e-10 && converged);
});

test('equal operators, and operators of different sizes', async () => {
  const operator = operatorWithSpectrum(spectrum(50, (i) => i));
  const { value, residual, converged } = await normOfDifference(
    operator,
    operator,
    linalg,
    options,
  );
  assert.deepEqual({ value, residual, converged }, { value: 0, residual: 0, converged: true });
  const smaller = operatorWithSpectrum([1, 2]);
  await assert.rejects(normOfDifference(operator, smaller, linalg, options), /sizes 50 and 2/);
});
