// Gram matrices in block rows have the upper triangle of the whole product.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { encodeModel, GraphBuilder, tensor } from '../graph/index.js';
import { ortEvaluator } from '../testing/ort-evaluator.js';
import { graph } from '../testing/small-graph.js';
import { emitMatrixGram, type FeatureMatrix } from './matrix-gram.js';

const CASES: readonly Omit<FeatureMatrix, 'value'>[] = [
  { axis: 1, features: 256, length: 256 },
  { axis: 1, features: 301, length: 300 },
  { axis: 0, features: 301, length: 300 },
  { axis: 1, features: 300, length: 40 },
  { axis: 0, features: 30, length: 400 },
];

for (const { axis, features, length } of CASES) {
  test(`${features} features along axis ${axis}, ${length} summed over`, async () => {
    const b = new GraphBuilder(graph({ inputs: [], outputs: [], nodes: [] }));
    const matrix = { value: 'x', axis, features, length };
    const outputs = [
      b.alias(emitMatrixGram(b, [matrix], 'full'), 'full'),
      b.alias(emitMatrixGram(b, [matrix], 'upper'), 'upper'),
      b.alias(emitMatrixGram(b, [matrix, matrix], 'upper'), 'twice'),
    ];
    const shape = axis === 1 ? [length, features] : [features, length];
    const model = encodeModel(
      b.build(
        outputs.map((name) => ({ name, dtype: 'float64', shape: undefined })),
        [{ name: 'x', dtype: 'float64', shape }],
      ),
      { untypedOutputs: true },
    );
    const values = Float64Array.from({ length: features * length }, (_, i) => Math.sin(i * i));
    const x = tensor.floatTensor(values, shape, 'float64');
    const { tensors } = await ortEvaluator.evaluate(model, new Map([['x', x]]), outputs);
    const [full, upper, twice] = outputs.map((name) => {
      const found = tensors.get(name);
      assert.ok(found !== undefined);
      assert.deepEqual(found.shape, [features, features]);
      return tensor.tensorNumbers(found);
    });
    assert.ok(full !== undefined && upper !== undefined && twice !== undefined);
    const at = (i: number, k: number) =>
      values[axis === 1 ? k * features + i : i * length + k] ?? NaN;
    for (let i = 0; i < features; i += 7) {
      for (let j = i; j < features; j += 5) {
        let want = 0;
        for (let k = 0; k < length; k++) want += at(i, k) * at(j, k);
        const close = (value = NaN) => Math.abs(value - want) < 1e-10 * length;
        assert.ok(close(full[i * features + j]), `full ${i}, ${j}`);
        assert.ok(close(full[j * features + i]), `full ${j}, ${i}`);
        assert.ok(close(upper[i * features + j]), `upper ${i}, ${j}`);
        assert.ok(close((twice[i * features + j] ?? NaN) / 2), `of two matrices ${i}, ${j}`);
      }
    }
  });
}
