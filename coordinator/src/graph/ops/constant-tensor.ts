// Rearranges constants while a program is built, so that it does not happen at every run.
import type { Tensor } from '../graph.js';
import { ELEMENT_BYTES } from '../tensor.js';
import type { VjpContext } from './op-rule.js';

/** Transposes by `permutation` (as ONNX Transpose) and reverses the *result's* axes in `reversed`. */
export function permuted(
  tensor: Tensor,
  permutation: readonly number[],
  reversed: readonly number[] = [],
): Tensor {
  if (tensor.dtype === 'string') throw new Error('a string tensor is never transposed');
  const size = ELEMENT_BYTES[tensor.dtype];
  const strides = tensor.shape.map((_, axis) =>
    tensor.shape.slice(axis + 1).reduce((product, length) => product * length, 1),
  );
  const shape = permutation.map((axis) => tensor.shape[axis] ?? 0);
  const steps = permutation.map((axis) => strides[axis] ?? 0);
  const bytes = new Uint8Array(tensor.bytes.byteLength);
  let to = 0;
  const walk = (axis: number, from: number): void => {
    if (axis === shape.length) {
      bytes.set(tensor.bytes.subarray(from * size, (from + 1) * size), to);
      to += size;
      return;
    }
    const length = shape[axis] ?? 0;
    const step = steps[axis] ?? 0;
    const back = reversed.includes(axis);
    for (let i = 0; i < length; i++) walk(axis + 1, from + (back ? length - 1 - i : i) * step);
  };
  walk(0, 0);
  return { dtype: tensor.dtype, shape, bytes };
}

/** The same elements in another shape of the same size. */
export function reshaped(tensor: Tensor, shape: readonly number[]): Tensor {
  return { ...tensor, shape };
}

/**
 * The contents of input `index` when the program may hold a rearranged copy of it. A constant whose
 * cotangent is wanted is not copied: the program may be differentiated with respect to it again.
 */
export function foldable(context: VjpContext, index: number): Tensor | undefined {
  return context.wants(index) ? undefined : context.constant(context.node.inputs[index] ?? '');
}
