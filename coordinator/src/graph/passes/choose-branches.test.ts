import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { AttributeProtoSchema, type GraphProtoSchema } from '../../gen/kronlens/onnx/onnx_pb.js';
import { graph, info, node } from '../../testing/small-graph.js';
import { ATTRIBUTE_TYPE } from '../codec/format.js';
import type { Attribute, Graph } from '../graph.js';
import { printed } from '../printed.js';
import { boolTensor } from '../tensor.js';
import { chooseBranches } from './choose-branches.js';

function branch(g: MessageInitShape<typeof GraphProtoSchema>): Attribute {
  return {
    kind: 'other',
    value: create(AttributeProtoSchema, { type: ATTRIBUTE_TYPE.graph, g }),
  };
}

/** Squeezes where the condition holds, else passes the value on, as PyTorch writes squeeze(1). */
const squeezing: Graph = graph({
  inputs: [info('x', ['N', 'T', 4])],
  outputs: [info('y')],
  nodes: [
    node('Relu', ['x'], ['h']),
    node('If', ['known'], ['y'], {
      then_branch: branch({
        node: [
          { opType: 'Neg', name: 'h', input: ['h'], output: ['t'] },
          { opType: 'Squeeze', input: ['t', 'axes'], output: ['s'] },
        ],
        initializer: [{ name: 'axes', dims: [1n], dataType: 7, int64Data: [1n] }],
        output: [{ name: 's' }],
      }),
      else_branch: branch({ output: [{ name: 'h' }] }),
    }),
  ],
});

const nodesOf = (after: Graph) =>
  printed(after)
    .split('\n')
    .filter((line) => line.includes(' = '));

describe('chooseBranches', () => {
  it('takes the branch that the condition names', () => {
    const yes = chooseBranches(squeezing, new Map([['known', boolTensor([true], [])]]));
    assert.deepEqual(nodesOf(yes), [
      'const axes int64[1] = 1',
      'h = Relu(x)',
      't = Neg(h)  # h#2',
      'y = Squeeze(t, axes)  # s',
    ]);
    const no = { ...squeezing, initializers: new Map([['known', boolTensor([false], [])]]) };
    assert.deepEqual(nodesOf(chooseBranches(no, new Map())).slice(1), [
      'h = Relu(x)',
      'y = Identity(h)  # y#2',
    ]);
  });

  it('leaves an If alone whose condition is unknown', () => {
    assert.equal(chooseBranches(squeezing, new Map()), squeezing);
  });

  it('keeps the names of two branches apart', () => {
    const [, first] = squeezing.nodes;
    assert.ok(first !== undefined);
    const nodes = [...squeezing.nodes, { ...first, name: 'z', outputs: ['z'] }];
    const twice = { ...squeezing, nodes, outputs: [info('y'), info('z')] };
    const after = chooseBranches(twice, new Map([['known', boolTensor([true], [])]]));
    assert.deepEqual(nodesOf(after).slice(-2), [
      't#2 = Neg(h)  # h#3',
      'z = Squeeze(t#2, axes#2)  # s#2',
    ]);
  });
});
