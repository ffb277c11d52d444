// The heuristic output eigenspace and the surrogate against what random two-layer theory says and explicit products.
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { createLinearAlgebra } from '../linalg/index.js';
import { largestDifference, product, randomValues, transpose } from '../linalg/testing/matrices.js';
import { heuristicEigenspace, heuristicOverlap, weightChain } from './heuristic-eigenspace.js';
import { surrogateOutputHessian } from './surrogate-output-hessian.js';

const linalg = await createLinearAlgebra('auto');
after(() => linalg.close());

const matrix = (rows: number, columns: number, seed: number) => ({
  rows,
  columns,
  values: randomValues(rows * columns, seed),
});

test('the chain is the product of the weights, last layer first', async () => {
  const [last, middle, first] = [matrix(2, 3, 1), matrix(3, 4, 2), matrix(4, 5, 3)];
  const chain = await weightChain([last, middle, first], 5, linalg);
  assert.deepEqual([chain.rows, chain.columns], [2, 5]);
  const inner = product(middle.values, first.values, 3, 4, 5);
  assert.ok(largestDifference(chain.values, product(last.values, inner, 2, 3, 5)) < 1e-14);
  assert.deepEqual(await weightChain([last], 3, linalg), last);
  await assert.rejects(weightChain([last, first], 5, linalg), /4 rows does not follow one of 3/);
  const none = await weightChain([], 2, linalg);
  assert.deepEqual([...none.values], [1, 0, 0, 1]);
});

test('an orthonormal basis within the row space, orthogonal to S^T 1', async () => {
  const chain = matrix(4, 7, 5);
  const space = await heuristicEigenspace(chain, true, linalg);
  assert.equal(space.rows, 3);
  const gram = product(space.values, transpose(space.values, 3, 7), 3, 7, 3);
  const shift = product(new Float64Array(4).fill(1), chain.values, 1, 4, 7);
  const along = product(space.values, shift, 3, 7, 1);
  // Adding the direction back gives the whole row space: all rows of S are in it.
  const length = Math.hypot(...shift);
  for (let i = 0; i < 3; i++) {
    assert.ok(Math.abs(Number(along[i])) < 1e-13);
    for (let j = 0; j < 3; j++)
      assert.ok(Math.abs(Number(gram[i * 3 + j]) - (i === j ? 1 : 0)) < 1e-13);
  }
  for (let row = 0; row < 4; row++) {
    const values = chain.values.subarray(row * 7, (row + 1) * 7);
    const inside = product(space.values, values, 3, 7, 1);
    const rest = values.reduce((sum, value, at) => sum + value * Number(shift[at]), 0) / length;
    const kept = Math.hypot(...inside, rest);
    assert.ok(Math.abs(kept - Math.hypot(...values)) < 1e-13);
  }
  assert.equal((await heuristicEigenspace(chain, false, linalg)).rows, 4);
});

test('the top eigenspace of S^T A S overlaps entirely where the rows of S are orthogonal and alike', async () => {
  const [c, m] = [4, 9];
  const { vt } = await linalg.svd(randomValues(c * m, 8), c, m);
  const chain = { rows: c, columns: m, values: vt };
  // A = diag(p) - p p^T of softmax.
  const p = [0.4, 0.3, 0.2, 0.1];
  const lossHessian = Float64Array.from({ length: c * c }, (_, at) => {
    const [a = 0, b = 0] = [p[Math.floor(at / c)], p[at % c]];
    return at % (c + 1) === 0 ? a - a * b : -a * b;
  });
  const surrogate = await surrogateOutputHessian(chain, lossHessian, 2, linalg);
  const half = product(lossHessian, vt, c, c, m);
  const expected = product(transpose(vt, c, m), half, m, c, m).map((value) => value / 16);
  assert.ok(largestDifference(surrogate, expected) < 1e-15);

  const { vectors } = await linalg.eigh(surrogate, m);
  const space = await heuristicEigenspace(chain, true, linalg);
  assert.ok(Math.abs(Number(await heuristicOverlap(vectors, space, linalg)) - 1) < 1e-12);
  // The eigenvectors of eigenvalue 0 are orthogonal to it.
  const reversed = new Float64Array(m * m);
  for (let i = 0; i < m; i++) reversed.set(vectors.subarray((m - 1 - i) * m, (m - i) * m), i * m);
  assert.ok(Number(await heuristicOverlap(reversed, space, linalg)) < 1e-12);
});

test('weights of lower rank, or zero, give a smaller space, or none', async () => {
  const row = randomValues(5, 3);
  const same = { rows: 3, columns: 5, values: Float64Array.from([...row, ...row, ...row]) };
  const none = await heuristicEigenspace(same, true, linalg);
  assert.equal(none.rows, 0);
  assert.equal(await heuristicOverlap(new Float64Array(25), none, linalg), null);
  const opposite = {
    rows: 2,
    columns: 5,
    values: Float64Array.from([...row, ...row.map((v) => -v)]),
  };
  assert.equal((await heuristicEigenspace(opposite, true, linalg)).rows, 1);
  const zero = { rows: 2, columns: 5, values: new Float64Array(10) };
  assert.equal((await heuristicEigenspace(zero, true, linalg)).rows, 0);
});
