import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { graph, info, node } from '../../testing/small-graph.js';
import { float, int, ints } from '../attributes.js';
import type { Attributes } from '../graph.js';
import { printed } from '../printed.js';
import { floatTensor } from '../tensor.js';
import { removeConstants } from './remove-constants.js';

const constant = (output: string, attributes: Attributes) =>
  node('Constant', [], [output], attributes);

describe('removeConstants', () => {
  it('makes initializers of every numeric form', () => {
    const before = graph({
      inputs: [info('x', ['N', 2])],
      outputs: [info('y')],
      nodes: [
        constant('tensor', { value: { kind: 'tensor', value: floatTensor([1, 2], [1, 2]) } }),
        constant('int', { value_int: int(-7) }),
        constant('ints', { value_ints: ints([3, 4]) }),
        constant('float', { value_float: float(0.5) }),
        constant('floats', { value_floats: { kind: 'floats', value: [1.5, -2] } }),
        node('Add', ['x', 'tensor'], ['y']),
      ],
    });
    assert.equal(
      printed(removeConstants(before)),
      `opset 20
input x float32[N,2]
const tensor float32[1,2] = 1 2
const int int64[] = -7
const ints int64[2] = 3 4
const float float32[] = 0.5
const floats float32[2] = 1.5 -2
y = Add(x, tensor)
output y float32`,
    );
  });

  it('leaves constants of strings, and other domains, alone', () => {
    const before = graph({
      inputs: [],
      outputs: [info('s'), info('t')],
      nodes: [
        constant('s', { value_string: { kind: 'string', value: 'text' } }),
        node('com.example/Constant', [], ['t'], { value_int: int(1) }),
      ],
    });
    assert.equal(removeConstants(before), before);
  });
});
