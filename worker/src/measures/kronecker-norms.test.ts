// Norms, traces and eigenvalues of Kronecker products against explicit ones.
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import fc from 'fast-check';
import { createLinearAlgebra } from '../linalg/index.js';
import { eigenvalueRatio } from './eigenvalue-ratio.js';
import { kroneckerEigenvalues } from './kronecker-factors.js';
import { kroneckerFrobeniusNorm, kroneckerTrace } from './kronecker-norms.js';
import { layerProblem } from './testing/layer-problem.js';

fc.configureGlobal({ seed: 17 });
const linalg = await createLinearAlgebra('auto');
after(() => linalg.close());

const near = (found: number, expected: number) =>
  assert.ok(Math.abs(found - expected) < 1e-12, `${found}, not ${expected}`);

const problems = fc.record({
  shape: fc.record({
    groups: fc.integer({ min: 1, max: 2 }),
    outDim: fc.integer({ min: 1, max: 4 }),
    inDim: fc.integer({ min: 1, max: 3 }),
  }),
  seed: fc.nat(1000),
  noise: fc.constant(0),
});

test('norm and trace are those of the explicit matrix', () =>
  fc.assert(
    fc.asyncProperty(problems, async (options) => {
      const { blocks, kronecker, exact } = await layerProblem(options, linalg);
      const norm = Math.hypot(...kronecker);
      near(kroneckerFrobeniusNorm(blocks) / norm, 1);
      const trace = exact.values.reduce((sum, value) => sum + value, 0);
      near(kroneckerTrace(blocks) / trace, 1);
    }),
    { numRuns: 30 },
  ));

test('a Kronecker-structured block has eigenvalue ratios of 1', () =>
  fc.assert(
    fc.asyncProperty(problems, async (options) => {
      const { exact, factors, pairs } = await layerProblem(options, linalg);
      const most = exact.values.filter((value) => value > 1e-3 * Number(exact.values[0])).length;
      const kronecker = kroneckerEigenvalues(factors, pairs);
      for (const ratio of eigenvalueRatio(kronecker, exact.values, most)) near(ratio, 1);
    }),
    { numRuns: 20 },
  ));

test('a dead layer has norm and trace 0', async () => {
  const shape = { groups: 2, outDim: 3, inDim: 2 };
  const { blocks } = await layerProblem({ shape, seed: 1, outputRank: 0, noise: 0 }, linalg);
  assert.equal(kroneckerFrobeniusNorm(blocks), 0);
  assert.equal(kroneckerTrace(blocks), 0);
});

test('eigenvalue ratios, Kronecker over exact', () => {
  const ratios = eigenvalueRatio(Float64Array.of(3, 0), Float64Array.of(4, 2, 1), 2);
  assert.deepEqual([...ratios], [0.75, 0]);
  assert.throws(() => eigenvalueRatio(ratios, ratios, 3), /fewer than 3/);
});
