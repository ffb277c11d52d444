import assert from 'node:assert/strict';
import { it } from 'node:test';
import { graph, info, node } from '../testing/small-graph.js';
import { int, ints } from './attributes.js';
import { knownRanks } from './known-ranks.js';
import { floatTensor, intTensor } from './tensor.js';

it('knownRanks follows ranks through the ops that fix them, and says nothing of others', () => {
  const ranks = knownRanks(
    graph({
      inputs: [info('x', ['N', 3, 8, 8]), info('free')],
      outputs: [info('out', [1, 2])],
      initializers: new Map([
        ['w', floatTensor([1], [1, 1])],
        ['shape', intTensor([0, 3, -1])],
        ['axes', intTensor([0, 1])],
        ['index', intTensor([0], [])],
      ]),
      nodes: [
        node('Conv', ['x', 'x'], ['conv']),
        node('Add', ['w', 'conv'], ['sum']),
        node('MatMul', ['sum', 'w'], ['product']),
        node('Reshape', ['product', 'shape'], ['shaped']),
        node('Unsqueeze', ['shaped', 'axes'], ['five']),
        node('Squeeze', ['five'], ['old'], { axes: ints([0]) }),
        node('Squeeze', ['five'], ['all']),
        node('ReduceMean', ['five', 'axes'], ['mean'], { keepdims: int(0) }),
        node('ReduceMean', ['five'], ['kept']),
        node('Gather', ['five', 'index'], ['row']),
        node('Flatten', ['free'], ['flat']),
        node('Relu', ['free'], ['unknown']),
        node('com.example/Relu', ['x'], ['foreign']),
        node('com.microsoft/Attention', ['shaped', 'w'], ['attended', 'present']),
        node('com.microsoft/FusedMatMul', ['shaped', 'w'], ['fused']),
        node(
          'com.microsoft/SkipLayerNormalization',
          ['fused', 'fused', 'w'],
          ['skipped', '', '', 'goes on'],
        ),
      ],
    }),
  );
  assert.deepEqual(Object.fromEntries(ranks), {
    ...{ x: 4, out: 2, w: 2, shape: 1, axes: 1, index: 0 },
    ...{ conv: 4, sum: 4, product: 4, shaped: 3, five: 5, old: 4, mean: 3, kept: 5, row: 4 },
    flat: 2,
    attended: 3,
    ...{ fused: 3, skipped: 3, 'goes on': 3 },
  });
});

it('knownRanks follows the lengths of shapes that are put together', () => {
  const scalar = (value: number) => intTensor([value], []);
  const ranks = knownRanks(
    graph({
      inputs: [info('x', ['N', 3, 8, 8])],
      outputs: [info('out')],
      initializers: new Map([
        ...(['0', '2', '9'] as const).map((name) => [name, intTensor([Number(name)])] as const),
        ['-1', intTensor([-1])],
        ['first', scalar(0)],
      ]),
      nodes: [
        node('Shape', ['x'], ['all']),
        node('Slice', ['all', '0', '2'], ['two']),
        node('Slice', ['all', '-1', '9'], ['last']),
        node('Gather', ['all', 'first'], ['batch']),
        node('Unsqueeze', ['batch', '0'], ['front']),
        node('Mul', ['front', '2'], ['twice']),
        node('Concat', ['two', 'last', 'twice', '-1'], ['shape']),
        node('Reshape', ['x', 'shape'], ['five']),
        node('Slice', ['all', 'front', '9'], ['unknown']),
        node('Reshape', ['x', 'unknown'], ['out']),
      ],
    }),
  );
  assert.equal(ranks.get('five'), 5);
  assert.equal(ranks.get('out'), undefined);
});
