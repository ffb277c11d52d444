// Columns pulled back a few at a time: every column once, and the sums of all of them together.
import assert from 'node:assert/strict';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { decodeModel } from '../graph/index.js';
import { readNpz } from '../testing/npz-file.js';
import { ortEvaluator } from '../testing/ort-evaluator.js';
import { sumOverData } from '../testing/sum-program.js';
import { chunkSizes } from './column-chunks.js';
import { openModel, planFactors } from './index.js';

const FIXTURES = join(dirname(fileURLToPath(import.meta.url)), '..', '..', 'fixtures', 'factors');
const RUN = { samples: 20, batch: 8, memoryBytes: 2 ** 30 };

test('chunks hold every column once and are as even as they can be', async () => {
  const model = await openModel(join(FIXTURES, 'mlp', 'model.onnx'), ortEvaluator);
  const graph = await model.at(8);
  const values = [...graph.types].filter(([name]) => !graph.initializers.has(name));
  const largest = Math.max(...values.map(([, { shape }]) => shape.reduce((p, n) => p * n, 1)));
  for (const [columns, at, sizes] of [
    [9, 100, [9]],
    [9, 9, [9]],
    [9, 8, [5, 4]],
    [9, 4, [3, 3, 3]],
    [4, 1, [1, 1, 1, 1]],
    [4, 0.1, [1, 1, 1, 1]],
    [999, 1, [999]],
  ] as const) {
    assert.deepEqual(chunkSizes(graph, columns, at * largest), sizes);
  }
});

for (const name of ['cnn-rich', 'tied-parallel', 'tokens', 'deep-linear']) {
  for (const sharing of ['expand', 'reduce'] as const) {
    test(`${name}, ${sharing}: column by column the sums are the same`, async () => {
      const model = await openModel(join(FIXTURES, name, 'model.onnx'), ortEvaluator);
      const arrays = readNpz(join(FIXTURES, name, 'data.npz'));
      const options = {
        loss: 'cross-entropy',
        columns: { kind: 'exact' },
        sharing,
        bias: 'separate',
        labels: false,
        exact: { denseLimit: 400 },
      } as const;
      const sumsOf = async (cachedFloats: number) => {
        const chosen = { ...options, cachedFloats };
        const plan = await planFactors(model, model.layers.layers, chosen, RUN);
        const [pair] = plan.programs;
        assert.ok(pair !== undefined && plan.programs.length === 1);
        const { nodes } = decodeModel(pair.full.model);
        return { sums: await sumOverData(pair, { arrays, samples: RUN.samples }), nodes };
      };
      const together = await sumsOf(2 ** 30);
      const apart = await sumsOf(1);
      assert.ok(apart.nodes.length > together.nodes.length);
      assert.deepEqual([...apart.sums.keys()], [...together.sums.keys()]);
      for (const [output, expected] of together.sums) {
        const got = apart.sums.get(output) ?? new Float64Array();
        const scale = Math.max(...Array.from(expected, Math.abs));
        const error = Math.max(...expected.map((value, i) => Math.abs(value - (got[i] ?? NaN))));
        assert.ok(error <= 1e-6 * scale, `${output}: off by ${error} of ${scale}`);
      }
    });
  }
}
