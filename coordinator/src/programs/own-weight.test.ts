// A weight that an embedding reads too is differentiated in the layer's own uses alone.
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { encodeModel, int, type ShapedGraph, tensor } from '../graph/index.js';
import { ortEvaluator } from '../testing/ort-evaluator.js';
import { graph, info, node } from '../testing/small-graph.js';
import { runBatch } from '../testing/sum-program.js';
import { layerProduct, openModel, planBlockProduct } from './index.js';

const WEIGHT = Array.from({ length: 12 }, (_, i) => Math.sin(1 + 2.3 * i));

/** logits = W tanh(W[id]): linear in the second W, not in the first. */
const MODEL = graph({
  inputs: [{ name: 'id', dtype: 'int64', shape: ['batch', 1] }],
  outputs: [info('logits', ['batch', 4])],
  nodes: [
    node('Gather', ['head.weight', 'id'], ['row']),
    node('Reshape', ['row', 'flat'], ['vector']),
    node('Tanh', ['vector'], ['bent']),
    node('Gemm', ['bent', 'head.weight'], ['logits'], { transB: int(1) }),
  ],
  initializers: new Map([
    ['head.weight', tensor.floatTensor(WEIGHT, [4, 3])],
    ['flat', tensor.intTensor([0, 3])],
  ]),
});

test('the Hessian of an output layer that shares its weight is its Gauss-Newton block', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'kronlens-test-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const path = join(folder, 'tied.onnx');
  await writeFile(path, encodeModel(MODEL));
  const model = await openModel(path, ortEvaluator);
  const layer = model.layers.layers.find(({ op }) => op === 'Gemm');
  assert.ok(layer !== undefined);
  const options = {
    loss: 'cross-entropy',
    columns: { kind: 'exact' },
    sharing: 'expand',
    bias: 'separate',
    labels: true,
  } as const;
  const ids = Array.from({ length: 8 }, (_, i) => (3 * i) % 4);
  const labels = ids.map((id, i) => (id + i) % 4);
  const arrays = new Map([
    ['id', tensor.intTensor(ids, [8, 1])],
    ['y', tensor.intTensor(labels, [8])],
  ]);
  const probe = tensor.floatTensor(
    Array.from({ length: 8 * 12 }, (_, i) => Math.cos(i * i)),
    [8, 12],
  );
  const run = { samples: 8, batch: 8, memoryBytes: 2 ** 30 };
  const products: (readonly number[])[] = [];
  for (const what of [
    layerProduct('hessian', layer, options),
    layerProduct('ggn', layer, options),
    { ...layerProduct('hessian', layer, options), prepare: (same: ShapedGraph) => same },
  ]) {
    const plan = await planBlockProduct(model, what, run, ortEvaluator);
    const rows = { arrays, first: 0, samples: 8 };
    const found = await runBatch(plan.product, rows, new Map([['kl_probe', probe]]));
    const [product] = [...found.values()];
    assert.ok(product !== undefined);
    products.push(tensor.tensorNumbers(product));
  }
  const [hessian = [], ggn = [], tied = []] = products;
  assert.equal(hessian.length, 96);
  const size = Math.hypot(...ggn);
  assert.ok(size > 0.1);
  const differs = tied.some((value, i) => Math.abs(value - (ggn[i] ?? Number.NaN)) > 0.01 * size);
  assert.ok(differs, 'the weight in both roles has another Hessian');
  hessian.forEach((value, i) => {
    assert.ok(Math.abs(value - (ggn[i] ?? Number.NaN)) < 1e-6 * size, `entry ${i}: ${value}`);
  });
});
