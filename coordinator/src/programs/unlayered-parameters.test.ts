import assert from 'node:assert/strict';
import { it } from 'node:test';
import { canonicalise, specialise, tensor } from '../graph/index.js';
import { discoverLayers } from '../layers/index.js';
import { ortEvaluator } from '../testing/ort-evaluator.js';
import { graph, info, node } from '../testing/small-graph.js';
import { unlayeredParameters } from './unlayered-parameters.js';

const values = (...shape: readonly number[]) =>
  tensor.floatTensor(
    Array.from({ length: shape.reduce((a, b) => a * b) }, (_, index) => Math.sin(index)),
    shape,
  );

it('names parameters of no layer, tables in constants, and weights that are computed', async () => {
  const model = canonicalise(
    graph({
      inputs: [info('x', ['N', 2, 4])],
      outputs: [info('y')],
      initializers: new Map([
        ['cls', values(1, 2, 4)],
        ['scale', values(4)],
        ['bias_table', values(3, 4)],
        ['ids', tensor.intTensor([0, 2])],
        ['axis', tensor.intTensor([1])],
        ['fc.weight', values(4, 4)],
        ['fc.bias', values(4)],
        ['head.weight', values(4, 3)],
        ['head.gain', tensor.floatTensor([2], [])],
      ]),
      nodes: [
        node('Add', ['x', 'cls'], ['a']),
        node('Gather', ['bias_table', 'ids'], ['rows']),
        node('Tanh', ['rows'], ['squashed']),
        node('Add', ['a', 'squashed'], ['b']),
        node('Mul', ['b', 'scale'], ['c']),
        node('MatMul', ['c', 'fc.weight'], ['d']),
        node('Add', ['d', 'fc.bias'], ['e']),
        node('ReduceMean', ['e', 'axis'], ['f']),
        node('Mul', ['head.weight', 'head.gain'], ['w']),
        node('MatMul', ['f', 'w'], ['g']),
        node('Flatten', ['g'], ['y']),
      ],
    }),
  );
  const shaped = await specialise(model, new Map([['x', [2, 2, 4]]]), ortEvaluator);
  const discovery = discoverLayers(shaped, 2, 'y');
  assert.deepEqual(unlayeredParameters(model, shaped, discovery, 'y'), [
    "part of no layer: cls, scale; --block 'cls' measures one of them",
    'not analysed, since they go into what is the same for every sample: bias_table',
    "the weights of g are computed from parameters: the computed ones are analysed, called 'g.computed_weight'",
  ]);
});
