// Ops whose outputs carry no derivative: comparisons, rounding, logic, shapes, indices.
import { int } from '../attributes.js';
import { boolTensor, intTensor } from '../tensor.js';
import type { Linearity, OpExample, OpRule } from './op-rule.js';
import { single } from './pointwise.js';
import { upgradeSoftmax } from './softmax.js';

function constant(
  op: string,
  example: OpExample,
  linearity: Linearity = 'piecewise-linear',
): OpRule {
  return { op, vjp: 'constant', linearity, examples: [example] };
}

const compared: OpExample = { name: 'two', inputs: [{ shape: [3, 4] }, { shape: [4] }] };
const rounded: OpExample = { name: 'plain', inputs: [{ shape: [3, 4], range: [0.1, 0.4] }] };
const vector: OpExample = { name: 'vector', inputs: [{ shape: [4], distinct: true }] };
const along: OpExample = { ...vector, attributes: { axis: int(0) } };
const logic: OpExample = {
  name: 'two',
  inputs: [boolTensor([true, false], [2]), boolTensor([true, true], [2])],
};
const bits: OpExample = { name: 'two', inputs: [intTensor([5, 6]), intTensor([3, 3])] };
const oneBits: OpExample = { name: 'one', inputs: [intTensor([5, 6])] };

/** Ops without derivative, in the table's order. */
export const CONSTANT_RULES: readonly OpRule[] = [
  ...['Greater', 'GreaterOrEqual', 'Less', 'LessOrEqual', 'Equal'].map((op) =>
    constant(op, compared),
  ),
  ...['And', 'Or', 'Xor'].map((op) => constant(op, logic)),
  constant('Not', { name: 'one', inputs: [boolTensor([true, false], [2])] }),
  ...['BitwiseAnd', 'BitwiseOr', 'BitwiseXor'].map((op) => constant(op, bits)),
  constant('BitwiseNot', oneBits),
  ...['Sign', 'Floor', 'Ceil', 'Round'].map((op) => constant(op, rounded)),
  ...['IsNaN', 'IsInf'].map((op) => constant(op, rounded)),
  ...['Shape', 'Size'].map((op) => constant(op, vector, 'linear')),
  ...['ArgMax', 'ArgMin'].map((op) => constant(op, along)),
  {
    ...constant('Hardmax', { ...single([-1, 1]), attributes: { axis: int(0) } }),
    upgrade: upgradeSoftmax,
  },
  constant('EyeLike', { name: 'square', inputs: [{ shape: [3, 3] }] }),
  constant('ConstantOfShape', { name: 'zeros', inputs: [intTensor([2, 3])] }, 'linear'),
];
