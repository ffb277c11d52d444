// Pooling whose windows tile the input without overlap: the common case, and the one worth speed.
import { ints } from '../attributes.js';
import type { GraphBuilder } from '../builder.js';
import { at, type WindowGeometry } from '../window.js';

/**
 * The part of the input that the windows tile, or undefined where windows overlap, leave gaps or
 * reach into pads. Rows at the end that no window covers are not part of it.
 * @param output the pooled sizes
 * @param input the input's sizes
 */
export function tiledSizes(
  { kernel, strides, dilations, padsBegin, padsEnd }: WindowGeometry,
  output: readonly number[],
  input: readonly number[],
): readonly number[] | undefined {
  const tiled = kernel.map((k, axis) => k * at(output, axis));
  const regular = kernel.every(
    (k, axis) =>
      // One window needs no stride.
      (k === at(strides, axis) || at(output, axis) === 1) &&
      (k === 1 || at(dilations, axis) === 1) &&
      at(padsBegin, axis) === 0 &&
      (at(padsEnd, axis) === 0 || at(tiled, axis) <= at(input, axis)) &&
      at(tiled, axis) <= at(input, axis),
  );
  return regular ? tiled : undefined;
}

/** Leaves out the rows at the end that no window covers: [..., ...from] to [..., ...to]. */
export function cropped(
  build: GraphBuilder,
  value: string,
  lead: number,
  from: readonly number[],
  to: readonly number[],
): string {
  if (to.every((size, axis) => size === at(from, axis))) return value;
  return build.emit('Slice', [
    value,
    build.ints(to.map(() => 0)),
    build.ints(to),
    build.ints(to.map((_, axis) => axis + lead)),
  ]);
}

/** Zeros for the rows that no window covers: the transpose of `cropped`. */
export function uncropped(
  build: GraphBuilder,
  value: string,
  lead: number,
  from: readonly number[],
  to: readonly number[],
): string {
  if (to.every((size, axis) => size === at(from, axis))) return value;
  const none = Array(lead).fill(0) as number[];
  const before = [...none, ...to.map(() => 0)];
  const after = [...none, ...to.map((size, axis) => size - at(from, axis))];
  return build.emit('Pad', [value, build.ints([...before, ...after])]);
}

/** Attributes of a pooling over blocks. */
export function blockAttributes(kernel: readonly number[]) {
  return { kernel_shape: ints(kernel), strides: ints(kernel) };
}
