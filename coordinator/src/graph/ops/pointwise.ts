// What rules of elementwise ops are made of.
import { int } from '../attributes.js';
import type { Linearity, OpExample, OpRule, Vjp, VjpContext } from './op-rule.js';

/** TensorProto.data_type, as Cast wants it. */
export const ONNX_FLOAT = 1;
export const ONNX_DOUBLE = 11;

/** 'float64' for a double value, else 'float32': the dtype that constants beside it need. */
export function widthOf(context: VjpContext, value: string): 'float32' | 'float64' {
  return context.type(value).dtype === 'float64' ? 'float64' : 'float32';
}

/** A boolean as 0 and 1 in the dtype of `like`. */
export function asMask(context: VjpContext, condition: string, like: string): string {
  const to = widthOf(context, like) === 'float64' ? ONNX_DOUBLE : ONNX_FLOAT;
  return context.build.emit('Cast', [condition], { to: int(to) });
}

/** The node's input `index`. */
export const input = (context: VjpContext, index: number): string =>
  context.node.inputs[index] ?? '';
/** The node's first output. */
export const output = (context: VjpContext): string => context.node.outputs[0] ?? '';
/** A scalar constant in the dtype of the node's output. */
export const number = (context: VjpContext, value: number): string =>
  context.build.scalar(value, widthOf(context, output(context)));

/** A rule of one input y = f(x): cotangent g * f'(x), f' without column axis. */
export function pointwise(
  op: string,
  derivative: (context: VjpContext, x: string, y: string) => string,
  linearity: Linearity,
  examples: readonly OpExample[],
): OpRule {
  const vjp: Vjp = (context, [g]) =>
    g === undefined
      ? []
      : [context.build.scaled(g, derivative(context, input(context, 0), output(context)))];
  return { op, vjp, linearity, examples };
}

/** For ops that ONNX Runtime has no float64 kernel for. */
export const single = (range: readonly [number, number], name = 'plain'): OpExample => ({
  name,
  inputs: [{ shape: [3, 4], range, dtype: 'float32' }],
});
