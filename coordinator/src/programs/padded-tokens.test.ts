// Padded batches of a language model give the sums of partial ones: padding neither counts nor is counted.
import assert from 'node:assert/strict';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { readNpz } from '../testing/npz-file.js';
import { ortEvaluator } from '../testing/ort-evaluator.js';
import { sumOverData } from '../testing/sum-program.js';
import { openModel, planFactors } from './index.js';

const CASE = join(dirname(fileURLToPath(import.meta.url)), '../../fixtures/factors/gpt2-small');
const BATCH = 8;

for (const reduction of ['mean', 'sum'] as const) {
  test(`${reduction} over tokens`, async () => {
    const opened = await openModel(join(CASE, 'model.onnx'), ortEvaluator);
    const arrays = readNpz(join(CASE, 'data.npz'));
    const samples = arrays.get('y')?.shape[0] ?? 0;
    assert.notEqual(samples % BATCH, 0);
    const options = {
      loss: 'cross-entropy',
      columns: { kind: 'exact' },
      sharing: 'expand',
      bias: 'separate',
      labels: true,
      tokens: { count: 5, reduction, ignoreIndex: -100 },
      exact: { denseLimit: 40 },
    } as const;
    const sumsOf = async (fixedBatch: number | undefined) => {
      const run = { samples, batch: BATCH, memoryBytes: 2 ** 30 };
      const model = { ...opened, fixedBatch };
      const plan = await planFactors(model, opened.layers.layers, options, run);
      const [pair] = plan.programs;
      assert.ok(pair !== undefined && plan.programs.length === 1);
      assert.equal(pair.tail === undefined, fixedBatch !== undefined);
      return await sumOverData(pair, { arrays, samples });
    };
    const [partial, padded] = [await sumsOf(undefined), await sumsOf(BATCH)];
    assert.deepEqual([...padded.keys()], [...partial.keys()]);
    assert.ok([...partial.keys()].some((name) => name.endsWith('tokens')));
    for (const [output, expected] of partial) {
      const got = padded.get(output) ?? new Float64Array();
      const scale = Math.max(...Array.from(expected, Math.abs));
      const error = Math.max(...expected.map((value, i) => Math.abs(value - (got[i] ?? NaN))));
      assert.ok(error <= 1e-6 * scale, `${output}: off by ${error} of ${scale}`);
    }
  });
}
