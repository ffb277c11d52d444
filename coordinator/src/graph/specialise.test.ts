import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { AttributeProtoSchema, type GraphProtoSchema } from '../gen/kronlens/onnx/onnx_pb.js';
import { ortEvaluator } from '../testing/ort-evaluator.js';
import { graph, info, node } from '../testing/small-graph.js';
import { int } from './attributes.js';
import { encodeModel } from './codec/encode-model.js';
import { ATTRIBUTE_TYPE } from './codec/format.js';
import { ModelError } from './codec/model-error.js';
import type { Attribute, Graph } from './graph.js';
import { printed } from './printed.js';
import { specialise } from './specialise.js';
import { floatTensor, intTensor, tensorNumbers } from './tensor.js';

const fixed = (model: Graph, shape: readonly number[]) =>
  specialise(model, new Map([['x', shape]]), ortEvaluator);

function branch(g: MessageInitShape<typeof GraphProtoSchema>): Attribute {
  return {
    kind: 'other',
    value: create(AttributeProtoSchema, {
      type: ATTRIBUTE_TYPE.graph,
      g: { name: 'branch', ...(g as object) },
    }),
  };
}

const x = info('x', ['N', 'T', 2]);
const weight = floatTensor([1, 2, 3, 4, 5, 6], [2, 3]);

describe('specialise', () => {
  it('keeps what picks rows of an embedding or repeats a token, so that both can be differentiated', async () => {
    const shaped = await fixed(
      graph({
        inputs: [x],
        outputs: [info('y')],
        initializers: new Map([
          ['wpe.weight', floatTensor([1, 2, 3, 4, 5, 6], [3, 2])],
          ['token', floatTensor([7, 8], [1, 1, 2])],
          ['rest', intTensor([1, 2])],
          ['val_1', floatTensor([1, 2], [1, 2])],
          ['zero', intTensor([0])],
          ['one', intTensor([1])],
          ['start', intTensor([0], [])],
          ['step', intTensor([1], [])],
        ]),
        nodes: [
          node('Shape', ['x'], ['shape']),
          node('Gather', ['shape', 'step'], ['T'], { axis: int(0) }),
          node('Range', ['start', 'T', 'step'], ['range']),
          node('Unsqueeze', ['range', 'zero'], ['ids']),
          node('Gather', ['wpe.weight', 'ids'], ['rows']),
          node('Gather', ['shape', 'zero'], ['N'], { axis: int(0) }),
          node('Concat', ['N', 'rest'], ['size'], { axis: int(0) }),
          node('Expand', ['token', 'size'], ['tokens']),
          node('Expand', ['val_1', 'one'], ['constant']),
          node('Add', ['x', 'rows'], ['placed']),
          node('Add', ['placed', 'constant'], ['moved']),
          node('Concat', ['tokens', 'moved'], ['y'], { axis: int(1) }),
        ],
      }),
      [2, 3, 2],
    );
    assert.deepEqual(
      shaped.nodes.map(({ op, inputs }) => [op, ...inputs]),
      [
        ['Gather', 'wpe.weight', 'ids'],
        ['Expand', 'token', 'size'],
        ['Add', 'x', 'rows'],
        ['Add', 'placed', 'constant'],
        ['Concat', 'tokens', 'moved'],
      ],
    );
    assert.deepEqual(tensorNumbers(shaped.initializers.get('ids') ?? intTensor([])), [0, 1, 2]);
  });

  it('gives every value its type, and folds what depends on shapes and constants alone', async () => {
    const shaped = await fixed(
      graph({
        inputs: [x],
        outputs: [info('y')],
        initializers: new Map([
          ['w', weight],
          ['last', intTensor([2])],
          ['zero', intTensor([0], [])],
          ['axis', intTensor([0])],
        ]),
        nodes: [
          node('Shape', ['x'], ['shape']),
          node('Gather', ['shape', 'zero'], ['batch'], { axis: int(0) }),
          node('Unsqueeze', ['batch', 'axis'], ['first']),
          node('Mul', ['first', 'last'], ['merged']),
          node('Concat', ['merged', 'last'], ['target'], { axis: int(0) }),
          node('Reshape', ['x', 'target'], ['flat']),
          node('MatMul', ['flat', 'w'], ['h']),
          node('Greater', ['h', 'h'], ['y']),
        ],
      }),
      [5, 2, 2],
    );
    assert.equal(
      printed(shaped),
      `opset 20
input x float32[5,2,2]
const target int64[2] = 10 2
const w float32[2,3] = 1 2 3 4 5 6
flat = Reshape(x, target)
h = MatMul(flat, w)
y = Greater(h, h)
output y bool[10,3]`,
    );
    assert.deepEqual(shaped.types.get('h'), { dtype: 'float32', shape: [10, 3] });
  });

  it('keeps a tied weight one value, and remembers whose layout it is', async () => {
    const shaped = await fixed(
      graph({
        inputs: [x],
        outputs: [info('y')],
        initializers: new Map([['w', weight]]),
        nodes: [
          node('Transpose', ['w'], ['t1']),
          node('MatMul', ['x', 'w'], ['a']),
          node('MatMul', ['a', 't1'], ['b']),
          node('MatMul', ['b', 'w'], ['c']),
          node('Transpose', ['w'], ['t2']),
          node('MatMul', ['c', 't2'], ['y']),
        ],
      }),
      [1, 1, 2],
    );
    assert.deepEqual(shaped.nodes.at(-1)?.inputs, ['c', 't1']);
    assert.deepEqual([...shaped.initializers.keys()].sort(), ['t1', 'w']);
    assert.equal(shaped.origins?.get('t1'), 'w');
  });

  it('takes the branch that a shape decides', async () => {
    const model = graph({
      inputs: [x],
      outputs: [info('y')],
      initializers: new Map([
        ['one', intTensor([1])],
        ['index', intTensor([1])],
      ]),
      nodes: [
        node('Shape', ['x'], ['shape']),
        node('Gather', ['shape', 'index'], ['size']),
        node('Equal', ['size', 'one'], ['isOne']),
        node('Relu', ['x'], ['h']),
        node('If', ['isOne'], ['s'], {
          then_branch: branch({
            node: [{ opType: 'Squeeze', input: ['h', 'one'], output: ['t'] }],
            output: [{ name: 't' }],
          }),
          else_branch: branch({
            node: [{ opType: 'Identity', input: ['h'], output: ['e'] }],
            output: [{ name: 'e' }],
          }),
        }),
        node('Neg', ['s'], ['y']),
      ],
    });
    const squeezed = await fixed(model, [3, 1, 2]);
    assert.deepEqual(
      squeezed.nodes.map(({ op }) => op),
      ['Relu', 'Squeeze', 'Neg'],
    );
    assert.deepEqual(squeezed.types.get('y')?.shape, [3, 2]);
    const whole = await fixed(model, [3, 4, 2]);
    assert.deepEqual(
      whole.nodes.map(({ op }) => op),
      ['Relu', 'Neg'],
    );
  });

  it('keeps an If that the data decides, with the constants that its branches read', async () => {
    const shaped = await fixed(
      graph({
        inputs: [x],
        outputs: [info('y')],
        initializers: new Map([
          ['w', weight],
          ['zero', floatTensor([0], [])],
        ]),
        nodes: [
          node('Neg', ['w'], ['minus']),
          node('ReduceMax', ['x'], ['most'], { keepdims: int(0) }),
          node('GreaterOrEqual', ['most', 'zero'], ['positive']),
          node('If', ['positive'], ['y'], {
            then_branch: branch({
              node: [{ opType: 'MatMul', input: ['x', 'w'], output: ['t'] }],
              output: [{ name: 't' }],
            }),
            else_branch: branch({
              node: [{ opType: 'MatMul', input: ['x', 'minus'], output: ['e'] }],
              output: [{ name: 'e' }],
            }),
          }),
        ],
      }),
      [1, 1, 2],
    );
    assert.deepEqual(
      shaped.nodes.map(({ op }) => op),
      ['ReduceMax', 'GreaterOrEqual', 'If'],
    );
    const data = new Map([['x', floatTensor([-1, -1], [1, 1, 2])]]);
    const { tensors } = await ortEvaluator.evaluate(encodeModel(shaped), data, ['y']);
    const y = tensors.get('y');
    assert.deepEqual(y && tensorNumbers(y), [5, 7, 9]);
  });

  it('says on which shapes a model does not run', async () => {
    const model = graph({
      inputs: [x],
      outputs: [info('y')],
      initializers: new Map([['w', weight]]),
      nodes: [node('MatMul', ['x', 'w'], ['y'])],
    });
    await assert.rejects(
      fixed(model, [1, 1, 5]),
      (error) =>
        error instanceof ModelError &&
        error.message.startsWith("the model does not run on inputs 'x' [1, 1, 5]: ") &&
        !error.message.includes('\n'),
    );
  });
});
