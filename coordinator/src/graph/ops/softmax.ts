// Softmax and LogSoftmax along one axis.
import { int, intAttribute } from '../attributes.js';
import type { Node } from '../graph.js';
import { at } from '../window.js';
import type { OpRule, UpgradeContext, Vjp, VjpContext } from './op-rule.js';
import { rowSums } from './row-sums.js';

const softmaxVjp: Vjp = (context, [g]) => {
  if (g === undefined) return [];
  const { build, output } = context;
  const total = sumAlong(context, build.emit('Mul', [g, output(0)]));
  return [build.emit('Mul', [build.emit('Sub', [g, total]), output(0)])];
};

const logSoftmaxVjp: Vjp = (context, [g]) => {
  if (g === undefined) return [];
  const { build, output } = context;
  const probability = build.emit('Exp', [output(0)]);
  return [build.emit('Sub', [g, build.emit('Mul', [sumAlong(context, g), probability])])];
};

/** The sum of a cotangent along the softmax's axis, in a shape that broadcasts to the cotangent's. */
function sumAlong({ node, build, type }: VjpContext, value: string): string {
  const { shape, dtype } = type(node.outputs[0] ?? '');
  const rank = shape.length;
  const given = intAttribute(node, 'axis', -1);
  const axis = given < 0 ? given + rank : given;
  const size = at(shape, axis);
  const width = dtype === 'float64' ? 'float64' : 'float32';
  if (axis === rank - 1) return rowSums(build, value, { axis: rank, size, dtype: width });
  return build.emit('ReduceSum', [value, build.ints([axis + 1])], { keepdims: int(1) });
}

/** Before opset 13 the axis (default 1) began a flattened matrix whose rows were normalised. */
export function upgradeSoftmax(
  node: Node,
  opset: number,
  context: UpgradeContext,
): readonly Node[] {
  if (opset >= 13) return [node];
  const axis = intAttribute(node, 'axis', 1);
  const [x = ''] = node.inputs;
  const rank = context.rank(x);
  const last = { ...node, attributes: { ...node.attributes, axis: int(-1) } };
  if (axis === -1 || axis + 1 === rank) return [last];
  const rows = context.fresh(`${node.name}_rows`);
  const normalised = context.fresh(`${node.name}_normalised`);
  const shape = context.fresh(`${node.name}_shape`);
  const plain = { domain: '', attributes: {}, metadata: node.metadata };
  return [
    {
      ...plain,
      name: rows,
      op: 'Flatten',
      inputs: [x],
      outputs: [rows],
      attributes: { axis: int(axis) },
    },
    { ...last, inputs: [rows], outputs: [normalised] },
    { ...plain, name: shape, op: 'Shape', inputs: [x], outputs: [shape] },
    {
      ...plain,
      name: context.fresh(`${node.name}_reshaped`),
      op: 'Reshape',
      inputs: [normalised, shape],
      outputs: node.outputs,
    },
  ];
}

const examples: OpRule['examples'] = [
  { name: 'logits', inputs: [{ shape: [4, 5] }] },
  { name: 'many classes', inputs: [{ shape: [2, 20] }] },
  { name: 'attention', attributes: { axis: int(-1) }, inputs: [{ shape: [2, 3, 4, 4] }] },
  { name: 'another axis', attributes: { axis: int(1) }, inputs: [{ shape: [2, 3, 4] }] },
  { name: 'float32', attributes: { axis: int(0) }, inputs: [{ shape: [3, 4], dtype: 'float32' }] },
];

export const softmax: OpRule = {
  op: 'Softmax',
  vjp: softmaxVjp,
  linearity: 'smooth',
  upgrade: upgradeSoftmax,
  examples,
};

export const logSoftmax: OpRule = {
  op: 'LogSoftmax',
  vjp: logSoftmaxVjp,
  linearity: 'smooth',
  upgrade: upgradeSoftmax,
  examples,
};
