// Decoupling errors and norms against explicit Kronecker products.
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import fc from 'fast-check';
import { createLinearAlgebra } from '../linalg/index.js';
import { decouplingErrorFrobenius, decouplingErrorSpectral } from './decoupling-error.js';
import { eigenvalueRatio } from './eigenvalue-ratio.js';
import { kroneckerEigenvalues } from './kronecker-factors.js';
import { frobeniusNorm, kroneckerFrobeniusNorm, kroneckerTrace, trace } from './kronecker-norms.js';
import { layerProblem } from './testing/layer-problem.js';
import { dimensionOf } from './weight-vectors.js';

fc.configureGlobal({ seed: 17 });
const linalg = await createLinearAlgebra('auto');
after(() => linalg.close());

const near = (found: number | null, expected: number, tolerance = 1e-12) =>
  assert.ok(found !== null && Math.abs(found - expected) < tolerance, `${found}, not ${expected}`);

const problems = fc.record({
  shape: fc.record({
    groups: fc.integer({ min: 1, max: 2 }),
    outDim: fc.integer({ min: 1, max: 4 }),
    inDim: fc.integer({ min: 1, max: 3 }),
  }),
  seed: fc.nat(1000),
  noise: fc.constantFrom(0.01, 1, 10),
});

test('errors, norms and traces are those of the explicit matrices', () =>
  fc.assert(
    fc.asyncProperty(problems, async (options) => {
      const { shape, blocks, kronecker, dense, exact } = await layerProblem(options, linalg);
      const d = dimensionOf(shape);
      const difference = kronecker.map((value, at) => value - Number(dense[at]));
      const frobenius = decouplingErrorFrobenius(dense, blocks, shape);
      near(frobenius, Math.hypot(...difference) / Math.hypot(...dense));
      const apart = await linalg.svd(difference, d, d);
      const whole = await linalg.svd(dense, d, d);
      const args = [dense, blocks, shape, exact.values, linalg] as const;
      near(
        await decouplingErrorSpectral(...args),
        Number(apart.values[0]) / Number(whole.values[0]),
      );
      const scale = Math.max(1, frobeniusNorm(kronecker));
      near(kroneckerFrobeniusNorm(blocks) / scale, frobeniusNorm(kronecker) / scale);
      near(kroneckerTrace(blocks) / scale, trace(kronecker) / scale);
    }),
    { numRuns: 30 },
  ));

test('a Kronecker-structured block has no error, and eigenvalue ratios of 1', () =>
  fc.assert(
    fc.asyncProperty(problems, async (options) => {
      const problem = await layerProblem({ ...options, noise: 0 }, linalg);
      const { shape, blocks, dense, exact, factors, pairs } = problem;
      near(decouplingErrorFrobenius(dense, blocks, shape), 0);
      const args = [dense, blocks, shape, exact.values, linalg] as const;
      near(await decouplingErrorSpectral(...args), 0);
      const ratios = eigenvalueRatio(kroneckerEigenvalues(factors, pairs), exact.values, 1);
      for (const ratio of ratios) near(ratio, 1);
    }),
    { numRuns: 20 },
  ));

test('of a zero block nothing is relative; a zero Kronecker product is wholly wrong', async () => {
  const shape = { groups: 1, outDim: 3, inDim: 2 };
  const dead = await layerProblem({ shape, seed: 1, outputRank: 0, noise: 0 }, linalg);
  const zero = [dead.dense, dead.blocks, shape] as const;
  assert.equal(decouplingErrorFrobenius(...zero), null);
  assert.equal(await decouplingErrorSpectral(...zero, dead.exact.values, linalg), null);
  const half = await layerProblem({ shape, seed: 1, outputRank: 0, noise: 1 }, linalg);
  near(decouplingErrorFrobenius(half.dense, half.blocks, shape), 1);
});

test('eigenvalue ratios, Kronecker over exact', () => {
  const ratios = eigenvalueRatio(Float64Array.of(3, 0), Float64Array.of(4, 2, 1), 2);
  assert.deepEqual([...ratios], [0.75, 0]);
  assert.throws(() => eigenvalueRatio(ratios, ratios, 3), /fewer than 3/);
});
