// Padded batches give class means and stacked output Hessians the sums of partial ones.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { measureFixtures } from '../testing/measure-fixtures.js';
import { readNpz } from '../testing/npz-file.js';
import { ortEvaluator } from '../testing/ort-evaluator.js';
import { sumOverData } from '../testing/sum-program.js';
import { openModel, planClassMeans, planStackedOutput } from './index.js';

const BATCH = 7;

test('the sums of padded passes', async () => {
  const [fixture] = measureFixtures('lenet-small');
  assert.ok(fixture !== undefined);
  const opened = await openModel(fixture.model, ortEvaluator);
  const arrays = readNpz(fixture.data);
  const samples = arrays.get('y')?.shape[0] ?? 0;
  assert.notEqual(samples % BATCH, 0);
  const { layers } = opened.layers;
  const options = {
    loss: 'cross-entropy',
    columns: { kind: 'exact' },
    sharing: 'expand',
    bias: 'separate',
    labels: true,
  } as const;
  const run = { samples, batch: BATCH, memoryBytes: 2 ** 30 };
  const passes = async (fixedBatch: number | undefined) => {
    const model = { ...opened, fixedBatch };
    const of = await Promise.all(
      layers.map((layer) =>
        planClassMeans(model, layer, opened.logits.outputs, true, options, run),
      ),
    );
    return [...of, await planStackedOutput(model, layers, options, run)];
  };
  const [partial, padded] = [await passes(undefined), await passes(BATCH)];
  for (const [index, { program }] of partial.entries()) {
    const other = padded[index]?.program;
    assert.ok(program.tail !== undefined && other !== undefined && other.tail === undefined);
    const wanted = await sumOverData(program, { arrays, samples });
    const got = await sumOverData(other, { arrays, samples });
    assert.deepEqual([...got.keys()], [...wanted.keys()]);
    for (const [output, expected] of wanted) {
      const values = got.get(output) ?? new Float64Array();
      const scale = Math.max(...Array.from(expected, Math.abs));
      const error = Math.max(
        ...Array.from(expected, (value, i) => Math.abs(value - (values[i] ?? Number.NaN))),
      );
      assert.ok(error <= 1e-5 * scale, `${program.layers} ${output}: off by ${error} of ${scale}`);
    }
  }
});
