// Sums a cotangent over the axes along which its value had been broadcast.
import { int } from './attributes.js';
import type { GraphBuilder } from './builder.js';

/**
 * @param cotangent [C, ...from]
 * @param from the broadcast shape
 * @param to the value's own shape; broadcasts to `from` by ONNX's (numpy's) rule
 * @returns [C, ...to]
 */
export function sumToShape(
  builder: GraphBuilder,
  cotangent: string,
  from: readonly number[],
  to: readonly number[],
): string {
  const lead = from.length - to.length;
  const axes: number[] = [];
  from.forEach((size, axis) => {
    if (axis < lead || (to[axis - lead] === 1 && size !== 1)) axes.push(axis + 1);
  });
  if (axes.length === 0) return cotangent;
  const summed = builder.emit('ReduceSum', [cotangent, builder.ints(axes)], { keepdims: int(1) });
  if (lead === 0) return summed;
  // Only unit axes are dropped; [0, ...to] keeps the column axis as it is.
  return builder.reshape(summed, [0, ...to]);
}
