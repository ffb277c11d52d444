// Chains of linear layers: found through biases, ReLUs and reshapes, refused with the reason.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { int, type Node, specialise, tensor } from '../graph/index.js';
import { ortEvaluator } from '../testing/ort-evaluator.js';
import { graph, info, node } from '../testing/small-graph.js';
import { discoverLayers } from './discover.js';
import { linearChain } from './linear-chain.js';

const floats = (shape: number[]) => {
  const size = shape.reduce((product, n) => product * n, 1);
  return tensor.floatTensor(
    Array.from({ length: size }, (_, i) => Math.sin(i + size)),
    shape,
  );
};

async function chainsOf(nodes: readonly Node[], inputs: number[] = [4]) {
  const model = graph({
    inputs: [info('x', ['batch', ...inputs])],
    outputs: [info('logits', ['batch', 3])],
    nodes: [...nodes],
    initializers: new Map([
      ['w1', floats([4, 5])],
      ['w2', floats([6, 5])],
      ['w3', floats([6, 3])],
      ['b1', floats([5])],
      ['b2', floats([6])],
      ['k', floats([2, 1, 3, 3])],
      ['wk', floats([8, 3])],
      ['row', tensor.intTensor([0, 1, -1])],
      ['flat', tensor.intTensor([0, -1])],
    ]),
  });
  const shaped = await specialise(model, new Map([['x', [2, ...inputs]]]), ortEvaluator);
  const { layers } = discoverLayers(shaped, 2, 'logits');
  return layers.map((layer) => linearChain(shaped, 2, layer, 'logits'));
}

test('a chain through biases, ReLUs and reshapes; the last layer has an empty one', async () => {
  const chains = await chainsOf([
    node('MatMul', ['x', 'w1'], ['z1']),
    node('Add', ['b1', 'z1'], ['a1']),
    node('Relu', ['a1'], ['h1']),
    node('Reshape', ['h1', 'row'], ['r1']),
    node('Reshape', ['r1', 'flat'], ['f1']),
    node('Gemm', ['f1', 'w2', 'b2'], ['z2'], { transB: int(1) }),
    node('Relu', ['z2'], ['h2']),
    node('MatMul', ['h2', 'w3'], ['logits']),
  ]);
  const w3 = { initializer: 'w3', transposed: true, rows: 3, columns: 6 };
  const w2 = { initializer: 'w2', transposed: false, rows: 6, columns: 5 };
  assert.deepEqual(chains, [
    { weights: [w3, w2], relus: 2 },
    { weights: [w3], relus: 1 },
    { weights: [], relus: 0 },
  ]);
});

test('what breaks a chain is named', async () => {
  const [skip, , last] = await chainsOf([
    node('MatMul', ['x', 'w1'], ['z1']),
    node('Gemm', ['z1', 'w2', 'b2'], ['z2'], { transB: int(1) }),
    node('Tanh', ['z2'], ['h2']),
    node('MatMul', ['h2', 'w3'], ['logits']),
  ]);
  assert.match(String(skip), /^Tanh 'h2' is between it and the logits$/);
  assert.deepEqual(last, { weights: [], relus: 0 });
  const [branch] = await chainsOf([
    node('MatMul', ['x', 'w1'], ['z1']),
    node('Relu', ['z1'], ['h1']),
    node('Add', ['h1', 'z1'], ['sum']),
    node('Gemm', ['sum', 'w2', 'b2'], ['z2'], { transB: int(1) }),
    node('MatMul', ['z2', 'w3'], ['logits']),
  ]);
  assert.match(String(branch), /^several nodes read its output \('h1', 'sum'\)$/);
  const [conv, linear] = await chainsOf(
    [
      node('Conv', ['x', 'k'], ['z']),
      node('Relu', ['z'], ['h']),
      node('Flatten', ['h'], ['f']),
      node('MatMul', ['f', 'wk'], ['logits']),
    ],
    [1, 4, 4],
  );
  assert.equal(conv, 'it has 4 positions a sample');
  assert.deepEqual(linear, { weights: [], relus: 0 });
});
