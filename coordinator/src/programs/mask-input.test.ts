// Boolean masks as inputs beside floats, with a free batch and with one that the file fixes.
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { encodeModel, int, tensor } from '../graph/index.js';
import { writeModel } from '../testing/model-file.js';
import { ortEvaluator } from '../testing/ort-evaluator.js';
import { graph, info, node } from '../testing/small-graph.js';
import { openModel } from './index.js';

const weight = (shape: readonly [number, number]) =>
  tensor.floatTensor(
    Array.from({ length: shape[0] * shape[1] }, (_, i) => Math.cos(i + 1)),
    shape,
  );

for (const batch of ['batch', 2]) {
  test(`batch ${batch}`, async (t) => {
    const root = await mkdtemp(join(tmpdir(), 'kronlens-test-'));
    t.after(() => rm(root, { recursive: true, force: true }));
    const model = graph({
      inputs: [info('x', [batch, 3, 4]), { ...info('mask', [batch, 3, 1]), dtype: 'bool' }],
      outputs: [info('logits', [batch, 2])],
      nodes: [
        node('MatMul', ['x', 'fc1'], ['h']),
        node('Where', ['mask', 'h', 'zero'], ['kept']),
        node('ReduceSum', ['kept', 'axes'], ['sum'], { keepdims: int(0) }),
        node('MatMul', ['sum', 'fc2'], ['logits']),
      ],
      initializers: new Map([
        ['fc1', weight([4, 5])],
        ['fc2', weight([5, 2])],
        ['zero', tensor.floatTensor([0], [])],
        ['axes', tensor.intTensor([1])],
      ]),
    });
    const path = await writeModel(join(root, 'model.onnx'), encodeModel(model));
    const opened = await openModel(path, ortEvaluator);
    assert.deepEqual(
      opened.layers.layers.map(({ name, positions }) => [name, positions]),
      [
        ['h', 3],
        ['logits', 1],
      ],
    );
    assert.equal(opened.fixedBatch, undefined);
    assert.deepEqual(opened.places.get('h'), { axis: 0, merged: 1, order: 'batch-major' });
  });
}
