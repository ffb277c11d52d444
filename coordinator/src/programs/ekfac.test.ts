// The EKFAC diagonal is what the dense exact block has on its diagonal in the Kronecker basis.
import assert from 'node:assert/strict';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { QrDecomposition } from 'ml-matrix';
import { readNpz } from '../testing/npz-file.js';
import { ortEvaluator } from '../testing/ort-evaluator.js';
import { sumOverData } from '../testing/sum-program.js';
import type { KroneckerBasis } from './ekfac.js';
import { openModel, planEkfac, planFactors } from './index.js';

const FIXTURES = join(dirname(fileURLToPath(import.meta.url)), '..', '..', 'fixtures', 'factors');
const RUN = { samples: 20, batch: 8, memoryBytes: 2 ** 30 };

/** An orthogonal matrix, row-major. */
function orthogonal(size: number, seed: number): Float64Array {
  const rows = Array.from({ length: size }, (_, i) =>
    Array.from(
      { length: size },
      (_, j) => Math.sin(seed + 1.7 * i + 3.1 * j * (i + 1)) + (i === j ? 2 : 0),
    ),
  );
  return Float64Array.from(new QrDecomposition(rows).orthogonalMatrix.to1DArray());
}

for (const name of ['mlp', 'cnn-rich', 'tied-parallel', 'tokens']) {
  test(`${name}: squared coordinates against the dense block`, async () => {
    const model = await openModel(join(FIXTURES, name, 'model.onnx'), ortEvaluator);
    const arrays = readNpz(join(FIXTURES, name, 'data.npz'));
    const options = {
      loss: 'cross-entropy',
      columns: { kind: 'exact' },
      sharing: 'expand',
      bias: 'separate',
      labels: false,
    } as const;
    const { layers } = model.layers;
    const plan = await planFactors(model, layers, { ...options, exact: { denseLimit: 400 } }, RUN);
    const data = { arrays, samples: RUN.samples };
    for (const pair of plan.programs) {
      const sums = await sumOverData(pair, data);
      for (const layer of layers) {
        const output = pair.full.manifest.outputs.find(
          (candidate) => candidate.kind === 'ggn' && candidate.layer === layer.name,
        );
        if (output === undefined) continue;
        const block = sums.get(output.name) ?? new Float64Array();
        const [m, n] = [layer.outDim, layer.inDim];
        const basis: KroneckerBasis[] = Array.from({ length: layer.groups }, (_, group) => ({
          output: orthogonal(m, group),
          input: orthogonal(n, group + 0.5),
        }));
        const { program } = await planEkfac(model, layer, basis, options, RUN);
        const [got] = (await sumOverData(program, data)).values();
        const dim = layer.groups * m * n;
        const scale = Math.max(...Array.from(block, Math.abs));
        for (const [group, { output: u, input: v }] of basis.entries())
          for (const a of [0, m - 1])
            for (const c of [0, n - 1]) {
              const vector = new Float64Array(dim);
              for (let i = 0; i < m; i++)
                for (let j = 0; j < n; j++)
                  vector[(group * m + i) * n + j] = (u[a * m + i] ?? NaN) * (v[c * n + j] ?? NaN);
              let expected = 0;
              for (let row = 0; row < dim; row++)
                for (let column = 0; column < dim; column++)
                  expected +=
                    (vector[row] ?? NaN) *
                    (block[row * dim + column] ?? NaN) *
                    (vector[column] ?? NaN);
              const found = got?.[(group * m + a) * n + c] ?? NaN;
              assert.ok(
                Math.abs(found - expected) <= 1e-5 * scale,
                `${layer.name} ${group} ${a} ${c}: ${found} instead of ${expected}`,
              );
            }
      }
    }
  });
}
