// Rank ratios and singular values against a singular value decomposition, and their bounds.
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import fc from 'fast-check';
import { createLinearAlgebra } from '../linalg/index.js';
import { randomValues } from '../linalg/testing/matrices.js';
import { matricisedRanks } from './matricised-rank.js';
import { kroneckerProduct } from './testing/layer-problem.js';
import { dimensionOf } from './weight-vectors.js';

fc.configureGlobal({ seed: 17 });
const linalg = await createLinearAlgebra('auto');
after(() => linalg.close());

const shapes = fc.record({
  groups: fc.integer({ min: 1, max: 3 }),
  outDim: fc.integer({ min: 1, max: 5 }),
  inDim: fc.integer({ min: 1, max: 6 }),
});

test('ratios and singular values of [groups * m, n], ratios within their bounds', () =>
  fc.assert(
    fc.asyncProperty(shapes, fc.nat(1000), async (shape, seed) => {
      const d = dimensionOf(shape);
      const values = randomValues(3 * d, seed + 1);
      const found = await matricisedRanks({ shape, count: 3, values }, 2, linalg);
      const [rows, columns] = [shape.groups * shape.outDim, shape.inDim];
      const size = Math.min(rows, columns);
      assert.equal(found.kept, Math.min(2, size));
      for (let i = 0; i < 3; i++) {
        const svd = await linalg.svd(values.subarray(i * d, (i + 1) * d), rows, columns);
        const expected = Number(svd.values[0]) / Math.hypot(...svd.values);
        const ratio = Number(found.ratios[i]);
        assert.ok(Math.abs(ratio - expected) < 1e-12);
        assert.ok(ratio >= 1 / Math.sqrt(size) - 1e-12 && ratio <= 1);
        for (let at = 0; at < found.kept; at++) {
          const singular = Number(found.singularValues[i * found.kept + at]);
          assert.ok(Math.abs(singular - Number(svd.values[at])) < 1e-7);
        }
      }
    }),
    { numRuns: 40 },
  ));

test('a Kronecker eigenvector has rank one, an orthogonal matrix the smallest ratio', async () => {
  const rankOne = kroneckerProduct(randomValues(4, 1), [1, 4], randomValues(3, 2), [1, 3]);
  const orthogonal = Float64Array.of(0.6, 0.8, -0.8, 0.6);
  const of = async (values: Float64Array, outDim: number, inDim: number) =>
    await matricisedRanks({ shape: { groups: 1, outDim, inDim }, count: 1, values }, 10, linalg);
  assert.ok(1 - Number((await of(rankOne, 4, 3)).ratios[0]) < 1e-14);
  const { ratios, singularValues } = await of(orthogonal, 2, 2);
  assert.ok(Math.abs(Number(ratios[0]) - Math.SQRT1_2) < 1e-14);
  for (const value of singularValues) assert.ok(Math.abs(value - 1) < 1e-14);
});
