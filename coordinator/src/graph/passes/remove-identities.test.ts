import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { create } from '@bufbuild/protobuf';
import { AttributeProtoSchema } from '../../gen/kronlens/onnx/onnx_pb.js';
import { graph, info, node } from '../../testing/small-graph.js';
import { ATTRIBUTE_TYPE } from '../codec/format.js';
import { printed } from '../printed.js';
import { boolTensor, floatTensor } from '../tensor.js';
import { removeIdentities } from './remove-identities.js';

const x = info('x', ['N', 2]);
const lines = (graph: Parameters<typeof printed>[0]) =>
  printed(removeIdentities(graph)).split('\n');

describe('removeIdentities', () => {
  it('lets readers read what was passed on, through chains, and unties no weights', () => {
    const before = graph({
      inputs: [x],
      outputs: [info('y')],
      initializers: new Map([['w', floatTensor([1, 0, 0, 1], [2, 2])]]),
      nodes: [
        node('Identity', ['w'], ['w2']),
        node('Identity', ['w2'], ['w3']),
        node('MatMul', ['x', 'w'], ['h']),
        node('Identity', ['h'], ['i']),
        node('MatMul', ['i', 'w3'], ['y']),
      ],
    });
    assert.deepEqual(lines(before).slice(3, -1), ['h = MatMul(x, w)', 'y = MatMul(h, w)']);
  });

  it('keeps the name of a graph output', () => {
    const before = graph({
      inputs: [x],
      outputs: [info('y'), info('z')],
      nodes: [
        node('Relu', ['x'], ['h']),
        node('Identity', ['h'], ['y']),
        node('Neg', ['h'], ['z']),
      ],
    });
    assert.deepEqual(lines(before).slice(2, -2), ['y = Relu(x)  # h', 'z = Neg(y)']);
  });

  it('keeps the node where two names are needed', () => {
    const before = graph({
      inputs: [x],
      outputs: [info('y'), info('z'), info('u')],
      nodes: [
        node('Identity', ['x'], ['y']),
        node('Relu', ['x'], ['z']),
        node('Identity', ['z'], ['u']),
      ],
    });
    assert.equal(removeIdentities(before), before);
  });

  it('removes Dropout in inference, and no other', () => {
    const outputs = [info('y'), info('z'), info('mask')];
    const before = graph({
      inputs: [x],
      outputs,
      initializers: new Map([
        ['off', boolTensor([false], [])],
        ['on', boolTensor([true], [])],
      ]),
      nodes: [
        node('Dropout', ['x', '', 'off'], ['a', 'unused']),
        node('Relu', ['a'], ['r']),
        node('Dropout', ['r'], ['b']),
        node('Dropout', ['b', '', 'on'], ['c']),
        node('Neg', ['c'], ['y']),
        node('Dropout', ['r'], ['d', 'mask']),
        node('Neg', ['d'], ['z']),
      ],
    });
    assert.deepEqual(lines(before).slice(4, -3), [
      'r = Relu(x)',
      'c = Dropout(r, _, on)',
      'y = Neg(c)',
      'd, mask = Dropout(r)',
      'z = Neg(d)',
    ]);
  });

  it('keeps what the branch of an If reads', () => {
    const branch = create(AttributeProtoSchema, {
      name: 'then_branch',
      type: ATTRIBUTE_TYPE.graph,
      g: { node: [{ opType: 'Neg', input: ['i'], output: ['n'] }], output: [{ name: 'n' }] },
    });
    const before = graph({
      inputs: [x, { name: 'c', dtype: 'bool', shape: [] }],
      outputs: [info('y')],
      nodes: [
        node('Relu', ['x'], ['h']),
        node('Identity', ['h'], ['i']),
        node('If', ['c'], ['y'], { then_branch: { kind: 'other', value: branch } }),
      ],
    });
    assert.equal(removeIdentities(before), before);
  });
});
