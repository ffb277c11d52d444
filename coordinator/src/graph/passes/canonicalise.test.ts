import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { graph, info, node } from '../../testing/small-graph.js';
import { int, ints } from '../attributes.js';
import { printed } from '../printed.js';
import { boolTensor, floatTensor } from '../tensor.js';
import { canonicalise } from './canonicalise.js';

describe('canonicalise', () => {
  it('brings a model of opset 11 into canonical form', () => {
    const before = graph({
      opset: 11,
      inputs: [info('x', ['N', 1, 4])],
      outputs: [info('y', ['N', 2])],
      initializers: new Map([
        ['w', floatTensor([1, 2, 3, 4, 5, 6, 7, 8], [4, 2])],
        ['unused', floatTensor([1], [1])],
      ]),
      nodes: [
        node('Identity', ['w'], ['w_again']),
        node('Squeeze', ['x'], ['s'], { axes: ints([1]) }),
        node('Dropout', ['s'], ['d']),
        node('MatMul', ['d', 'w_again'], ['h']),
        node('Constant', [], ['two'], { value_int: int(2) }),
        node('Constant', [], ['dead'], { value_int: int(3) }),
        node('Pow', ['h', 'two'], ['p']),
        node('Softmax', ['p'], ['q']),
        node('Identity', ['q'], ['y']),
      ],
    });
    assert.equal(
      printed(canonicalise(before)),
      `opset 20
input x float32[N,1,4]
const w float32[4,2] = 1 2 3 4 5 6 7 8
const two int64[] = 2
const kl_constant int64[1] = 1
s = Squeeze(x, kl_constant)
h = MatMul(s, w)
p = Pow(h, two)
y = Softmax<axis=-1>(p)  # q
output y float32[N,2]`,
    );
  });

  it('does not refuse a form that the outputs do not need', () => {
    const before = graph({
      inputs: [info('x', [2])],
      outputs: [info('y')],
      initializers: new Map([['on', boolTensor([true], [])]]),
      nodes: [node('Dropout', ['x', '', 'on'], ['noisy']), node('Relu', ['x'], ['y'])],
    });
    assert.equal(canonicalise(before).nodes.length, 1);
  });
});
