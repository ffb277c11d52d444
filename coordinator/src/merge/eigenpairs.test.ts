import assert from 'node:assert/strict';
import { test } from 'node:test';
import { alignment, spectralRatio, topEigenvector } from './eigenpairs.js';

const vector = (...values: number[]) => Float64Array.from(values);

test('the spectral ratio is lambda_1 over lambda_2, where that is more than rounding', () => {
  assert.equal(spectralRatio(vector(6, 2, 1)), 3);
  assert.equal(spectralRatio(vector(8, 2 ** -20)), 2 ** 23);
  assert.equal(spectralRatio(vector(6)), null);
  assert.equal(spectralRatio(vector(6, 0)), null);
  assert.equal(spectralRatio(vector(6, 3e-8, -3e-8)), null);
  assert.equal(spectralRatio(vector(0, 0)), null);
});

test('alignment is the squared cosine, whatever the lengths and the sign', () => {
  assert.equal(alignment(vector(1, 0), vector(-3, 0)), 1);
  assert.equal(alignment(vector(1, 0), vector(0, 3)), 0);
  assert.ok(Math.abs(Number(alignment(vector(2, 0), vector(1e-100, 1e-100))) - 0.5) < 1e-12);
  assert.equal(alignment(vector(1, 0), vector(0, 0)), null);
  assert.throws(() => alignment(vector(1), vector(1, 2)), /1 and 2 components/);
});

test('the top eigenvector is a copy of the first row', () => {
  const pairs = { values: vector(2, 1), vectors: vector(0.6, 0.8, -0.8, 0.6) };
  const top = topEigenvector(pairs);
  pairs.vectors.fill(0);
  assert.deepEqual(top, vector(0.6, 0.8));
});
