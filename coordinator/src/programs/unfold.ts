// Layer inputs as matrices: unfold (im2col) of convolutions, positions of token-shared layers.
import { type GraphBuilder, int, ints } from '../graph/index.js';
import { at, type WindowGeometry } from '../graph/window.js';

/** The inputs of a convolution for a whole batch, one row per input feature. */
export interface Unfolded {
  /** [groups * features, positions * B]; features of a group in the order of W's columns. */
  readonly value: string;
  readonly features: number;
  readonly positions: number;
}

/**
 * Unfolds a convolution's input: row (c, k), column (p, b), is the input of channel c of sample b
 * that kernel offset k sees at output position p (torch.nn.functional.unfold, features outermost).
 * @param x value [B, channels, ...spatial]
 * @param outputSpatial the node's output sizes
 */
export function emitUnfold(
  b: GraphBuilder,
  x: string,
  shape: readonly number[],
  geometry: WindowGeometry,
  outputSpatial: readonly number[],
): Unfolded {
  const spatial = shape.slice(2);
  // A window may end before the padded input does; pads beyond the last window are not needed.
  const padsEnd = spatial.map((size, axis) => {
    const reach =
      (at(outputSpatial, axis) - 1) * at(geometry.strides, axis) +
      (at(geometry.kernel, axis) - 1) * at(geometry.dilations, axis) +
      1;
    return Math.max(0, reach - size - at(geometry.padsBegin, axis));
  });
  const padded = emitPad(b, batchLast(b, x, shape), geometry.padsBegin, padsEnd);
  const slices = kernelOffsets(geometry.kernel).map((offset) =>
    offset.map((k, axis) => k * at(geometry.dilations, axis)),
  );
  return stackSlices(b, padded, shape, slices, geometry.strides, outputSpatial, geometry.groups);
}

/**
 * The input of a transposed convolution as that of the stride-1 convolution it equals: the input
 * with stride-1 zeros put between its entries, padded by dilation * (kernel - 1) - pad.
 * Row (c, k) belongs to W[c, :, k] (offsets in the kernel's own order).
 */
export function emitUnfoldTransposed(
  b: GraphBuilder,
  x: string,
  shape: readonly number[],
  geometry: WindowGeometry,
  outputSpatial: readonly number[],
): Unfolded {
  const [batch, channels, ...spatial] = shape as [number, number, ...number[]];
  let current = batchLast(b, x, shape);
  let sizes = [...spatial];
  geometry.strides.forEach((stride, axis) => {
    if (stride === 1) return;
    current = emitZerosBetween(b, current, [channels, ...sizes, batch], axis + 1, stride);
    sizes = sizes.map((size, other) => (other === axis ? (size - 1) * stride + 1 : size));
  });
  const extent = sizes.map(
    (_, axis) => (at(geometry.kernel, axis) - 1) * at(geometry.dilations, axis),
  );
  const begin = extent.map((size, axis) => size - at(geometry.padsBegin, axis));
  const end = extent.map(
    (size, axis) => at(outputSpatial, axis) + size - at(sizes, axis) - at(begin, axis),
  );
  const padded = emitPad(b, current, begin, end);
  const slices = kernelOffsets(geometry.kernel).map((offset) =>
    offset.map((k, axis) => (at(geometry.kernel, axis) - 1 - k) * at(geometry.dilations, axis)),
  );
  const ones = spatial.map(() => 1);
  return stackSlices(b, padded, shape, slices, ones, outputSpatial, geometry.groups);
}

/** [B, channels, ...] -> [channels, ..., B]: cutting windows then copies runs of whole batches. */
function batchLast(b: GraphBuilder, x: string, shape: readonly number[]): string {
  const [batch = 1, ...map] = shape;
  const columns =
    batch === 1
      ? x
      : b.emit('Transpose', [b.reshape(x, [batch, product(map)])], { perm: ints([1, 0]) });
  return b.reshape(columns, [...map, batch]);
}

function emitPad(
  b: GraphBuilder,
  x: string,
  begin: readonly number[],
  end: readonly number[],
): string {
  return [...begin, ...end].every((pad) => pad === 0)
    ? x
    : b.emit('Pad', [x, b.ints([0, ...begin, 0, 0, ...end, 0])]);
}

/** Cuts one strided window map per kernel offset out of `x` [channels, ..., B] and stacks them. */
function stackSlices(
  b: GraphBuilder,
  x: string,
  shape: readonly number[],
  starts: readonly (readonly number[])[],
  strides: readonly number[],
  outputSpatial: readonly number[],
  groups: number,
): Unfolded {
  const [batch, channels] = shape as [number, number];
  const positions = product(outputSpatial);
  const axes = b.ints(outputSpatial.map((_, axis) => axis + 1));
  const slices = starts.map((start) => {
    const ends = start.map(
      (from, axis) => from + (at(outputSpatial, axis) - 1) * at(strides, axis) + 1,
    );
    const slice = b.emit('Slice', [x, b.ints(start), b.ints(ends), axes, b.ints(strides)]);
    return b.reshape(slice, [channels, 1, batch * positions]);
  });
  const stacked =
    slices.length === 1 ? (slices[0] as string) : b.emit('Concat', slices, { axis: int(1) });
  return {
    value: b.reshape(stacked, [channels * starts.length, batch * positions]),
    features: (channels / groups) * starts.length,
    positions,
  };
}

/** [.., n, ..] -> [.., (n - 1) * stride + 1, ..] with stride - 1 zeros between neighbours along `axis`. */
function emitZerosBetween(
  b: GraphBuilder,
  x: string,
  shape: readonly number[],
  axis: number,
  stride: number,
): string {
  const size = at(shape, axis);
  const before = shape.slice(0, axis);
  const after = shape.slice(axis + 1);
  const spread = b.reshape(x, [...before, size, 1, ...after]);
  const rank = shape.length + 1;
  const pads = Array.from({ length: 2 * rank }, (_, at) =>
    at === rank + axis + 1 ? stride - 1 : 0,
  );
  const merged = b.reshape(b.emit('Pad', [spread, b.ints(pads)]), [
    ...before,
    size * stride,
    ...after,
  ]);
  return b.emit('Slice', [merged, b.ints([0]), b.ints([(size - 1) * stride + 1]), b.ints([axis])]);
}

/** All offsets of a kernel, row-major. */
function kernelOffsets(kernel: readonly number[]): number[][] {
  return kernel.reduce<number[][]>(
    (offsets, size) =>
      offsets.flatMap((offset) => Array.from({ length: size }, (_, k) => [...offset, k])),
    [[]],
  );
}

function product(sizes: readonly number[]): number {
  return sizes.reduce((total, size) => total * size, 1);
}
