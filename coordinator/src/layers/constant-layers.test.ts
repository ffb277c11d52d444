import assert from 'node:assert/strict';
import { it } from 'node:test';
import { specialise, tensor } from '../graph/index.js';
import { ortEvaluator } from '../testing/ort-evaluator.js';
import { graph, info, node } from '../testing/small-graph.js';
import { constantLayers } from './constant-layers.js';

it('names layers whose input is constant, and no others', async () => {
  const square = tensor.floatTensor([1, 2, 3, 4], [2, 2]);
  const model = graph({
    inputs: [info('x', ['N', 2])],
    outputs: [info('y')],
    initializers: new Map([
      ['places', square],
      ['pos.weight', square],
      ['fc.weight', square],
      ['mask', square],
    ]),
    nodes: [
      node('MatMul', ['places', 'pos.weight'], ['p']),
      node('MatMul', ['p', 'mask'], ['q']),
      node('Add', ['x', 'q'], ['h']),
      node('MatMul', ['h', 'fc.weight'], ['y']),
    ],
  });
  const shaped = await specialise(model, new Map([['x', [2, 2]]]), ortEvaluator);
  assert.deepEqual(constantLayers(model, shaped), [
    "the layer 'pos' computes the same for every sample, from constants alone: it is not analysed",
  ]);
});
