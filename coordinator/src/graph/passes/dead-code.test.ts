import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { create } from '@bufbuild/protobuf';
import { AttributeProtoSchema } from '../../gen/kronlens/onnx/onnx_pb.js';
import { graph, info, node } from '../../testing/small-graph.js';
import { ATTRIBUTE_TYPE } from '../codec/format.js';
import { printed } from '../printed.js';
import { floatTensor } from '../tensor.js';
import { removeDeadCode } from './dead-code.js';

const x = info('x', ['N', 2]);
const scalar = floatTensor([2], []);

describe('removeDeadCode', () => {
  it('drops nodes and initializers that no output needs, and keeps inputs', () => {
    const before = graph({
      inputs: [x, info('unused')],
      outputs: [info('y')],
      initializers: new Map([
        ['a', scalar],
        ['b', scalar],
      ]),
      nodes: [
        node('Mul', ['x', 'a'], ['h']),
        node('Mul', ['h', 'b'], ['dead']),
        node('Neg', ['dead'], ['deader']),
        node('Relu', ['h'], ['y']),
      ],
    });
    assert.equal(
      printed(removeDeadCode(before)),
      `opset 20
input x float32[N,2]
input unused float32
const a float32[] = 2
h = Mul(x, a)
y = Relu(h)
output y float32`,
    );
  });

  it('keeps what bodies read, at any depth, and not what they define', () => {
    const inner = {
      name: 'then_branch',
      type: ATTRIBUTE_TYPE.graph,
      g: {
        node: [{ opType: 'Mul', input: ['local', 'a'], output: ['m'] }],
        output: [{ name: 'm' }],
      },
    };
    const outer = create(AttributeProtoSchema, {
      name: 'then_branch',
      type: ATTRIBUTE_TYPE.graph,
      g: {
        node: [
          { opType: 'Neg', input: ['h'], output: ['local'] },
          { opType: 'If', input: ['c'], output: ['n'], attribute: [inner] },
        ],
        output: [{ name: 'n' }],
      },
    });
    const before = graph({
      inputs: [x, { name: 'c', dtype: 'bool', shape: [] }],
      outputs: [info('y')],
      initializers: new Map([
        ['a', scalar],
        ['local', scalar],
      ]),
      nodes: [
        node('Relu', ['x'], ['h']),
        node('If', ['c'], ['y'], { then_branch: { kind: 'other', value: outer } }),
      ],
    });
    const after = removeDeadCode(before);
    assert.equal(after.nodes.length, 2);
    assert.deepEqual([...after.initializers.keys()], ['a']);
  });
});
