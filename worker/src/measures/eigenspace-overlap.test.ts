// Overlaps against the definition, their laws, and what identical and orthogonal frames give.
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import fc from 'fast-check';
import { createLinearAlgebra } from '../linalg/index.js';
import { identity, product, randomSymmetric, transpose } from '../linalg/testing/matrices.js';
import { eigenspaceOverlap } from './eigenspace-overlap.js';
import { kroneckerCoordinates } from './kronecker-coordinates.js';
import { layerProblem } from './testing/layer-problem.js';

fc.configureGlobal({ seed: 17 });
const linalg = await createLinearAlgebra('auto');
after(() => linalg.close());

/** ||U_k^T V_k||_F^2 / k by its definition; rows of u and v are the vectors. */
function overlapOf(u: Float64Array, v: Float64Array, d: number, k: number): number {
  const products = product(u.subarray(0, k * d), transpose(v, d, d), k, d, d);
  let sum = 0;
  for (let i = 0; i < k; i++)
    for (let j = 0; j < k; j++) sum += (products[i * d + j] as number) ** 2;
  return sum / k;
}

test('overlap of random frames by the definition, within [0, 1], 1 for the whole space', () =>
  fc.assert(
    fc.asyncProperty(fc.integer({ min: 1, max: 9 }), fc.nat(1000), async (d, seed) => {
      const u = (await linalg.eigh(randomSymmetric(d, seed + 1), d)).vectors;
      const v = (await linalg.eigh(randomSymmetric(d, seed + 2), d)).vectors;
      const products = product(u, transpose(v, d, d), d, d, d);
      const overlap = eigenspaceOverlap(products, d, d, d);
      for (const [at, value] of overlap.entries()) {
        assert.ok(Math.abs(value - overlapOf(u, v, d, at + 1)) < 1e-13);
        assert.ok(value >= 0 && value <= 1);
      }
      assert.ok(Math.abs((overlap[d - 1] ?? 0) - 1) < 1e-13);
    }),
    { numRuns: 40 },
  ));

test('a Kronecker-structured block overlaps entirely with its Kronecker product', () =>
  fc.assert(
    fc.asyncProperty(fc.integer({ min: 1, max: 2 }), fc.nat(500), async (groups, seed) => {
      const shape = { groups, outDim: 2, inDim: 3 };
      const { vectors, factors, pairs, exact } = await layerProblem(
        { shape, seed, noise: 0 },
        linalg,
      );
      const products = await kroneckerCoordinates(vectors, factors, pairs, linalg);
      const overlap = eigenspaceOverlap(products, vectors.count, pairs.length, pairs.length);
      for (const [at, value] of overlap.entries()) {
        // Where the spectrum has no gap after k, the k-th eigenspace is not determined.
        const [here = 0, next = 0] = exact.values.subarray(at, at + 2);
        if (here - next > 1e-6 * (exact.values[0] ?? 0)) assert.ok(1 - value < 1e-8);
      }
    }),
    { numRuns: 40 },
  ));

test('equal frames overlap entirely, swapped vectors from the second on', () => {
  assert.deepEqual([...eigenspaceOverlap(identity(3), 3, 3, 3)], [1, 1, 1]);
  const swapped = Float64Array.of(0, 1, 0, 1, 0, 0, 0, 0, 1);
  assert.deepEqual([...eigenspaceOverlap(swapped, 3, 3, 3)], [0, 1, 1]);
  assert.deepEqual([...eigenspaceOverlap(Float64Array.of(0, 0, 1, 0, 0, 0), 2, 3, 2)], [0, 0]);
  assert.deepEqual([...eigenspaceOverlap(new Float64Array(0), 0, 0, 0)], []);
  assert.throws(() => eigenspaceOverlap(identity(2), 2, 2, 3), /no overlap of 3/);
});
