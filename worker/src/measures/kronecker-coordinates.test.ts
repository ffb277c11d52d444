// Coordinates along Kronecker eigenvectors against eigenvectors formed at full length.
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { createLinearAlgebra } from '../linalg/index.js';
import { largestDifference, product, transpose } from '../linalg/testing/matrices.js';
import { kroneckerCoordinates } from './kronecker-coordinates.js';
import { kroneckerEigenvalues } from './kronecker-factors.js';
import { layerProblem } from './testing/layer-problem.js';
import { dimensionOf } from './weight-vectors.js';

const linalg = await createLinearAlgebra('auto');
after(() => linalg.close());

for (const shape of [
  { groups: 1, outDim: 3, inDim: 4 },
  { groups: 2, outDim: 3, inDim: 2 },
  { groups: 3, outDim: 1, inDim: 2 },
]) {
  test(`all coordinates of ${shape.groups} groups of ${shape.outDim} x ${shape.inDim}`, async () => {
    const problem = await layerProblem({ shape, seed: 7, noise: 1 }, linalg);
    const { vectors, factors, pairs, kroneckerVectors } = problem;
    const d = dimensionOf(shape);
    const expected = product(vectors.values, transpose(kroneckerVectors, d, d), d, d, d);
    const found = await kroneckerCoordinates(vectors, factors, pairs, linalg);
    assert.ok(largestDifference(found, expected) < 1e-13);
  });
}

test('some vectors, some pairs: the same numbers', async () => {
  const shape = { groups: 2, outDim: 3, inDim: 4 };
  const { vectors, factors, pairs } = await layerProblem({ shape, seed: 3, noise: 1 }, linalg);
  const all = await kroneckerCoordinates(vectors, factors, pairs, linalg);
  const few = { ...vectors, count: 5, values: vectors.values.subarray(0, 5 * 24) };
  const found = await kroneckerCoordinates(few, factors, pairs.slice(0, 7), linalg);
  const expected = Float64Array.from({ length: 35 }, (_, at) =>
    Number(all[Math.floor(at / 7) * 24 + (at % 7)]),
  );
  assert.ok(largestDifference(found, expected) < 1e-14);
});

test('the products of factor eigenvalues are the eigenvalues of the dense Kronecker matrix', async () => {
  const shape = { groups: 2, outDim: 2, inDim: 3 };
  const problem = await layerProblem({ shape, seed: 5, noise: 0 }, linalg);
  const values = kroneckerEigenvalues(problem.factors, problem.pairs);
  assert.ok(largestDifference(values, problem.exact.values) < 1e-13);
});
