import assert from 'node:assert/strict';
import { it } from 'node:test';
import { ortEvaluator } from '../../testing/ort-evaluator.js';
import { graph, info, node } from '../../testing/small-graph.js';
import { float, int } from '../attributes.js';
import { encodeModel } from '../codec/encode-model.js';
import { ModelError } from '../codec/model-error.js';
import { floatTensor, intTensor, tensorNumbers } from '../tensor.js';
import { canonicalise } from './canonicalise.js';

const GAIN = [0.5, 2];
const SHIFT = [0.1, -0.3];

const values = (size: number) =>
  Array.from({ length: size }, (_, index) => Math.sin(1 + index * 0.7371));

/** A convolution of x [1, 3, 4, 4] by weights that are standardised channel by channel, or of standardised x. */
function network(standardises: 'weight' | 'x') {
  const training = { training_mode: int(1), epsilon: float(0.01) };
  return graph({
    opset: 17,
    inputs: [info('x', [1, 3, 4, 4])],
    outputs: [info('y')],
    nodes:
      standardises === 'weight'
        ? [
            node('Reshape', ['conv.weight', 'rows'], ['flat']),
            node(
              'BatchNormalization',
              ['flat', 'gain', 'shift', 'shift', 'gain'],
              ['bn', 'm', 'v'],
              training,
            ),
            node('Reshape', ['bn', 'shape'], ['w']),
            node('Conv', ['x', 'w'], ['y']),
          ]
        : [
            node('BatchNormalization', ['x', 'g3', 'g3', 'g3', 'g3'], ['w', 'm', 'v'], training),
            node('Conv', ['w', 'conv.weight'], ['y']),
          ],
    initializers: new Map([
      ['conv.weight', floatTensor(values(24), [2, 3, 2, 2])],
      ['rows', intTensor([1, 2, -1])],
      ['shape', intTensor([2, 3, 2, 2])],
      ['gain', floatTensor(GAIN, [2])],
      ['shift', floatTensor(SHIFT, [2])],
      ['g3', floatTensor([1, 2, 3], [3])],
    ]),
  });
}

/** (w - mean) / sqrt(variance + 0.01) * gain + shift of each row. */
function standardised(rows: readonly (readonly number[])[]): number[] {
  return rows.flatMap((row, channel) => {
    const mean = row.reduce((sum, value) => sum + value, 0) / row.length;
    const variance = row.reduce((sum, value) => sum + (value - mean) ** 2, 0) / row.length;
    const [gain = 0, shift = 0] = [GAIN[channel], SHIFT[channel]];
    return row.map((value) => ((value - mean) / Math.sqrt(variance + 0.01)) * gain + shift);
  });
}

it('weights are standardised channel by channel', async () => {
  // ONNX Runtime 1.30 computes something else where the other outputs are not outputs of the model.
  const after = canonicalise(network('weight'));
  assert.ok(after.nodes.every(({ op }) => op !== 'BatchNormalization'));
  const outputs = [{ name: 'w', dtype: 'float32' as const, shape: undefined }];
  const model = encodeModel({ ...after, outputs }, { untypedOutputs: true });
  const feeds = new Map([['x', floatTensor(values(48), [1, 3, 4, 4])]]);
  const w = (await ortEvaluator.evaluate(model, feeds, ['w'])).tensors.get('w');
  assert.deepEqual(w?.shape, [2, 3, 2, 2]);
  const wanted = standardised([values(24).slice(0, 12), values(24).slice(12)]);
  const found = w === undefined ? [] : tensorNumbers(w);
  for (const [index, value] of wanted.entries())
    assert.ok(Math.abs((found[index] ?? Number.NaN) - value) < 1e-5, `entry ${index}`);
});

it('batch normalisation of what depends on an input is refused in training mode', () => {
  assert.throws(
    () => canonicalise(network('x')),
    (error) => error instanceof ModelError && error.message.includes('it is in training mode'),
  );
});
