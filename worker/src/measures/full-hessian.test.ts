// The approximation across layers against vectors formed at full length, and where it is exact.
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { createLinearAlgebra } from '../linalg/index.js';
import {
  identity,
  largestDifference,
  product,
  randomValues,
  transpose,
} from '../linalg/testing/matrices.js';
import { fullHessianEigenpairs, fullHessianVectors } from './full-hessian.js';
import { randomGram } from './testing/layer-problem.js';

const linalg = await createLinearAlgebra('auto');
after(() => linalg.close());

const LAYERS = [
  { outDim: 3, meanInput: randomValues(4, 1) },
  { outDim: 2, meanInput: randomValues(3, 2) },
];
const STACK = 5;
const LENGTH = 3 * 4 + 2 * 3;

/** w_i = concat_p u_i^(p) (x) x^(p), one a row. */
function formed(vectors: Float64Array, count: number): Float64Array {
  const inputs = LAYERS.flatMap(({ outDim, meanInput }) =>
    Array.from({ length: outDim }, () => [...meanInput]),
  );
  return Float64Array.from(
    Array.from(vectors.subarray(0, count * STACK)).flatMap((u, at) =>
      (inputs[at % STACK] ?? []).map((x) => u * x),
    ),
  );
}

test('eigenvalues s ||w||^2, largest first, and the Gram-Schmidt of the w in that order', async () => {
  const stack = await linalg.eigh(randomGram(STACK, STACK, 9), STACK);
  const found = fullHessianEigenpairs(stack.values, stack.vectors, LAYERS);
  assert.equal(found.count, STACK);
  const w = formed(stack.vectors, STACK);
  const order = Array.from(stack.values, (value, i) => {
    const row = w.subarray(i * LENGTH, (i + 1) * LENGTH);
    return { row, value: value * row.reduce((sum, x) => sum + x * x, 0) };
  }).sort((a, b) => b.value - a.value);
  assert.ok(
    largestDifference(
      found.values,
      Float64Array.from(order, ({ value }) => value),
    ) < 1e-13,
  );
  const sorted = Float64Array.from(order.flatMap(({ row }) => [...row]));
  const { q } = await linalg.qr(transpose(sorted, STACK, LENGTH), LENGTH, STACK);
  const vectors = fullHessianVectors(found, LAYERS);
  assert.ok(largestDifference(vectors, transpose(q, LENGTH, STACK)) < 1e-12);
});

test('exact for one layer whose input is always the same', async () => {
  const [m, x] = [4, randomValues(3, 4)];
  const output = randomGram(m, 2, 6);
  const stack = await linalg.eigh(output, m);
  const layers = [{ outDim: m, meanInput: x }];
  const found = fullHessianEigenpairs(stack.values, stack.vectors, layers);
  assert.equal(found.count, 2);
  const vectors = fullHessianVectors(found, layers);
  // H = M (x) x x^T: H v = lambda v.
  const hessian = Float64Array.from({ length: 144 }, (_, at) => {
    const [row, column] = [Math.floor(at / 12), at % 12];
    const block = Number(output[Math.floor(row / 3) * m + Math.floor(column / 3)]);
    return block * Number(x[row % 3]) * Number(x[column % 3]);
  });
  const image = product(vectors, hessian, 2, 12, 12);
  const scaled = vectors.map((value, at) => value * Number(found.values[Math.floor(at / 12)]));
  assert.ok(largestDifference(image, scaled) < 1e-13);
});

test('dependent, zero and null directions are left out; the rest is orthonormal', () => {
  const stacked = Float64Array.from([
    1, 0, 0, 0, 0, 1, 1e-12, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1, 0,
  ]);
  const values = Float64Array.of(4, 3, 2, 0);
  const found = fullHessianEigenpairs(values, stacked, LAYERS);
  assert.equal(found.count, 2);
  const vectors = fullHessianVectors(found, LAYERS);
  const gram = product(vectors, transpose(vectors, 2, LENGTH), 2, LENGTH, 2);
  assert.ok(largestDifference(gram, identity(2)) < 1e-13);
  const dead = LAYERS.map(({ outDim, meanInput }) => ({
    outDim,
    meanInput: meanInput.map(() => 0),
  }));
  assert.equal(fullHessianEigenpairs(values, stacked, dead).count, 0);
});
