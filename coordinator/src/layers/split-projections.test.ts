// Projections of attention are found by what becomes of them, whatever way they are fused and cut.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { int, ints, type Node, specialise, tensor } from '../graph/index.js';
import { ortEvaluator } from '../testing/ort-evaluator.js';
import { graph, info, node } from '../testing/small-graph.js';
import { discoverLayers } from './discover.js';
import { type ProjectionSplit, splitProjections } from './split-projections.js';

const floats = (shape: number[]) =>
  tensor.floatTensor(
    Array.from({ length: shape.reduce((product, n) => product * n, 1) }, (_, i) => Math.sin(i + 1)),
    shape,
  );

const slice = (out: string, axis: number, index: number): readonly Node[] => [
  node('Gather', ['cut', `i${index}`], [out], { axis: int(axis) }),
];

/** Names and rows of the layers of a block with 2 samples, 3 tokens, width 4. */
async function partsOf(nodes: readonly Node[], split: ProjectionSplit) {
  const model = graph({
    inputs: [info('x', ['batch', 3, 4])],
    outputs: [info('y', ['batch', 4])],
    nodes,
    initializers: new Map([
      ['w', floats([4, 12])],
      ['b', floats([12])],
      ['half', floats([4, 4])],
      ['outer', tensor.intTensor([0, 0, 3, 2, 2])],
      ['inner', tensor.intTensor([0, 0, 2, 3, 2])],
      ['heads', tensor.intTensor([0, 0, 2, 2])],
      ['flat', tensor.intTensor([0, 0, 4])],
      ['one', tensor.intTensor([1])],
      ...[0, 1, 2].map((i) => [`i${i}`, tensor.intTensor([i], [])] as const),
    ]),
  });
  const shaped = await specialise(model, new Map([['x', [2, 3, 4]]]), ortEvaluator);
  const { layers } = discoverLayers(shaped, 2, 'y');
  return splitProjections(shaped, layers, split).map(({ name, rows, outDim, params }) => {
    assert.equal(params, outDim * 4);
    assert.equal(rows?.length ?? outDim, outDim);
    return [name, rows];
  });
}

/** [B, T, heads, d] each. */
const attention: readonly Node[] = [
  ...['q', 'k', 'v'].map((x) => node('Transpose', [x], [`${x}t`], { perm: ints([0, 2, 1, 3]) })),
  node('Transpose', ['kt'], ['ktt'], { perm: ints([0, 1, 3, 2]) }),
  node('MatMul', ['qt', 'ktt'], ['s']),
  node('Softmax', ['s'], ['p'], { axis: int(-1) }),
  node('MatMul', ['p', 'vt'], ['o']),
  node('Transpose', ['o'], ['ot'], { perm: ints([0, 2, 1, 3]) }),
  node('Reshape', ['ot', 'flat'], ['of']),
  node('MatMul', ['of', 'half'], ['z']),
  node('ReduceSum', ['z', 'one'], ['y'], { keepdims: int(0) }),
];

const projected = [
  { ...node('MatMul', ['x', 'w'], ['h']), name: 'attn' },
  node('Add', ['h', 'b'], ['hb']),
];

test('a fused projection that is split, and its heads', async () => {
  const nodes = [
    ...projected,
    node('Split', ['hb'], ['q0', 'k0', 'v0'], { axis: int(-1), num_outputs: int(3) }),
    ...['q', 'k', 'v'].map((x) => node('Reshape', [`${x}0`, 'heads'], [x])),
    ...attention,
  ];
  assert.deepEqual(await partsOf(nodes, 'qkv'), [
    ['attn.q', [0, 1, 2, 3]],
    ['attn.k', [4, 5, 6, 7]],
    ['attn.v', [8, 9, 10, 11]],
    ['z', undefined],
  ]);
  assert.deepEqual(await partsOf(nodes, 'heads'), [
    ['attn.q.h0', [0, 1]],
    ['attn.q.h1', [2, 3]],
    ['attn.k.h0', [4, 5]],
    ['attn.k.h1', [6, 7]],
    ['attn.v.h0', [8, 9]],
    ['attn.v.h1', [10, 11]],
    ['z', undefined],
  ]);
});

test('a fused projection that is reshaped, q, k and v outside or inside of the heads', async () => {
  const outer = [
    ...projected,
    node('Reshape', ['hb', 'outer'], ['cut']),
    ...slice('q', 2, 0),
    ...slice('k', 2, 1),
    ...slice('v', 2, 2),
    ...attention,
  ];
  assert.deepEqual((await partsOf(outer, 'heads')).slice(0, 3), [
    ['attn.q.h0', [0, 1]],
    ['attn.q.h1', [2, 3]],
    ['attn.k.h0', [4, 5]],
  ]);
  const inner = [
    ...projected,
    node('Reshape', ['hb', 'inner'], ['cut']),
    ...slice('q', 3, 0),
    ...slice('k', 3, 1),
    ...slice('v', 3, 2),
    ...attention,
  ];
  assert.deepEqual(await partsOf(inner, 'qkv'), [
    ['attn.q', [0, 1, 6, 7]],
    ['attn.k', [2, 3, 8, 9]],
    ['attn.v', [4, 5, 10, 11]],
    ['z', undefined],
  ]);
});

test('what is reshaped but meets no other activation is no projection', async () => {
  const nodes = [
    ...projected,
    node('Reshape', ['hb', 'outer'], ['cut']),
    ...slice('q', 2, 0),
    node('Reshape', ['q', 'flat'], ['f']),
    node('MatMul', ['f', 'half'], ['z']),
    node('ReduceSum', ['z', 'one'], ['y'], { keepdims: int(0) }),
  ];
  assert.deepEqual(await partsOf(nodes, 'heads'), [
    ['attn', undefined],
    ['z', undefined],
  ]);
});
