// Correspondence matrices against the definition; their columns add up to 1.
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import fc from 'fast-check';
import { createLinearAlgebra } from '../linalg/index.js';
import { largestDifference } from '../linalg/testing/matrices.js';
import { inputCorrespondence, outputCorrespondence } from './correspondence.js';
import { type LayerProblem, layerProblem } from './testing/layer-problem.js';
import { dimensionOf } from './weight-vectors.js';

fc.configureGlobal({ seed: 17 });
const linalg = await createLinearAlgebra('auto');
after(() => linalg.close());

/** sum over the other side of (sum over this side of Mat(h_j) times the eigenvector)^2. */
function byDefinition(problem: LayerProblem, group: number, side: 'input' | 'output') {
  const { shape, vectors, factors } = problem;
  const { outDim: m, inDim: n } = shape;
  const [own, other] = side === 'input' ? [n, m] : [m, n];
  const eigenvectors = factors[group]?.[side].vectors ?? new Float64Array(0);
  return Float64Array.from({ length: own * vectors.count }, (_, at) => {
    const [i, j] = [Math.floor(at / vectors.count), at % vectors.count];
    const from = j * dimensionOf(shape) + group * m * n;
    let sum = 0;
    for (let b = 0; b < other; b++) {
      let component = 0;
      for (let a = 0; a < own; a++) {
        const entry = vectors.values[from + (side === 'input' ? b * n + a : a * n + b)];
        component += Number(entry) * Number(eigenvectors[i * own + a]);
      }
      sum += component ** 2;
    }
    return sum;
  });
}

const shapes = fc.record({
  groups: fc.integer({ min: 1, max: 3 }),
  outDim: fc.integer({ min: 1, max: 4 }),
  inDim: fc.integer({ min: 1, max: 4 }),
});

test('both matrices by the definition, columns add up to 1 over all groups', () =>
  fc.assert(
    fc.asyncProperty(shapes, fc.nat(1000), async (shape, seed) => {
      const problem = await layerProblem({ shape, seed, noise: 1 }, linalg);
      const { vectors, factors } = problem;
      const columns = {
        input: new Float64Array(vectors.count),
        output: new Float64Array(vectors.count),
      };
      for (const [group, { input, output }] of factors.entries()) {
        const found = {
          input: await inputCorrespondence(vectors, group, input.vectors, linalg),
          output: await outputCorrespondence(vectors, group, output.vectors, linalg),
        };
        for (const side of ['input', 'output'] as const) {
          const expected = byDefinition(problem, group, side);
          assert.ok(largestDifference(found[side], expected) < 1e-13);
          const sums = columns[side];
          for (const [at, value] of found[side].entries()) {
            assert.ok(value >= 0 && value <= 1 + 1e-13);
            sums[at % vectors.count] = Number(sums[at % vectors.count]) + value;
          }
        }
      }
      for (const sum of [...columns.input, ...columns.output]) assert.ok(Math.abs(sum - 1) < 1e-12);
    }),
    { numRuns: 30 },
  ));

test('a zero factor, as of dead ReLUs, still has eigenvectors, and columns add up to 1', async () => {
  const shape = { groups: 1, outDim: 3, inDim: 2 };
  const problem = await layerProblem({ shape, seed: 4, outputRank: 0, noise: 1 }, linalg);
  const eigenvectors = problem.factors[0]?.output.vectors ?? new Float64Array(0);
  const found = await outputCorrespondence(problem.vectors, 0, eigenvectors, linalg);
  for (let j = 0; j < 6; j++) {
    const sum = [0, 1, 2].reduce((total, i) => total + Number(found[i * 6 + j]), 0);
    assert.ok(Math.abs(sum - 1) < 1e-13);
  }
});
