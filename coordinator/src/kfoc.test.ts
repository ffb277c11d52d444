// The Frobenius-optimal Kronecker pair: against the singular values of the rearranged dense block.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { decodeMatrixFile, decodeTable, STRUCTURE } from '@kronlens/proto';
import { Matrix, SingularValueDecomposition } from 'ml-matrix';
import type { AnalysisOptions } from './plan/options.js';
import { openModel, planFactors } from './programs/index.js';
import { analyse } from './testing/analyse.js';
import { readNpz } from './testing/npz-file.js';
import { ortEvaluator } from './testing/ort-evaluator.js';
import { sumOverData } from './testing/sum-program.js';

const FIXTURES = join(dirname(fileURLToPath(import.meta.url)), '..', 'fixtures', 'factors');
const paths = (name: string) => ({
  model: join(FIXTURES, name, 'model.onnx'),
  data: join(FIXTURES, name, 'data.npz'),
});

async function errors(t: TestContext, name: string, sharing: AnalysisOptions['sharing']) {
  const measures = ['factors', 'eigen', 'curvature', 'structure'] as const;
  const { folder } = await analyse(t, paths(name), { sharing, measures, batch: 16 });
  const rows = decodeTable(STRUCTURE, await readFile(join(folder, 'structure.arrow')));
  const found = rows.filter(({ measure }) => measure === 'decoupling_error_frobenius');
  return { folder, errors: new Map(found.map(({ layer, value }) => [layer, value])) };
}

for (const name of ['mlp', 'cnn-rich', 'tied-parallel', 'tokens']) {
  test(`${name}: no error is above those of expand and reduce`, async (t) => {
    const [expand, reduce, kfoc] = [
      await errors(t, name, 'expand'),
      await errors(t, name, 'reduce'),
      await errors(t, name, 'kfoc'),
    ];
    assert.ok(kfoc.errors.size > 1);
    for (const [layer, error] of kfoc.errors)
      for (const other of [expand, reduce])
        assert.ok(error <= (other.errors.get(layer) ?? NaN) + 1e-5, `${layer}: ${error}`);
  });
}

test('the pair is the leading singular pair of the rearranged block', async (t) => {
  const name = 'mlp';
  const { folder } = await errors(t, name, 'kfoc');
  const model = await openModel(paths(name).model, ortEvaluator);
  const samples = readNpz(paths(name).data).get('x')?.shape[0] ?? 0;
  const options = {
    loss: 'cross-entropy',
    columns: { kind: 'exact' },
    sharing: 'expand',
    bias: 'separate',
    labels: false,
    exact: { denseLimit: 200 },
  } as const;
  const run = { samples, batch: 16, memoryBytes: 2 ** 30 };
  const plan = await planFactors(model, model.layers.layers, options, run);
  const [pair] = plan.programs;
  assert.ok(pair !== undefined);
  const sums = await sumOverData(pair, { arrays: readNpz(paths(name).data), samples });
  const layer = model.layers.layers.find((candidate) => candidate.name === 'fc1');
  const output = pair.full.manifest.outputs.find(
    (candidate) => candidate.kind === 'ggn' && candidate.layer === 'fc1',
  );
  assert.ok(layer !== undefined && output !== undefined);
  const block = sums.get(output.name) ?? new Float64Array();
  const [m, n] = [layer.outDim, layer.inDim];
  const rearranged = Matrix.zeros(m * m, n * n);
  for (let i = 0; i < m; i++)
    for (let k = 0; k < m; k++)
      for (let j = 0; j < n; j++)
        for (let l = 0; l < n; l++)
          rearranged.set(
            i * m + k,
            j * n + l,
            (block[(i * n + j) * m * n + k * n + l] ?? NaN) / samples,
          );
  const [largest = NaN] = new SingularValueDecomposition(rearranged).diagonal;
  const norm = async (kind: string) => {
    const file = decodeMatrixFile(await readFile(join(folder, 'factors', `fc1.${kind}.arrow`)));
    return Math.hypot(...file.values);
  };
  const caught = (await norm('input')) * (await norm('output'));
  assert.ok(Math.abs(caught - largest) <= 1e-4 * largest, `${caught} instead of ${largest}`);
});
