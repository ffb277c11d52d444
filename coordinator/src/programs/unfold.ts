// Layer inputs as matrices: unfold (im2col) of convolutions, positions of token-shared layers.
import { type GraphBuilder, int } from '../graph/index.js';
import { at, type WindowGeometry } from '../graph/window.js';

/** The layer input of every sample as a matrix with one row per input feature. */
export interface Unfolded {
  /** [B, groups * features, positions]; features of a group in the order of W's columns. */
  readonly value: string;
  readonly features: number;
  readonly positions: number;
}

/**
 * Unfolds a convolution's input: row (c, k) of sample b, column p, is the input of channel c that
 * kernel offset k sees at output position p (torch.nn.functional.unfold).
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
  const [batch, channels, ...spatial] = shape as [number, number, ...number[]];
  const positions = product(outputSpatial);
  const offsets = product(geometry.kernel);
  const pointwise = offsets === 1 && geometry.strides.every((s) => s === 1);
  const unpadded = [...geometry.padsBegin, ...geometry.padsEnd].every((pad) => pad === 0);
  if (pointwise && unpadded) {
    return {
      value: b.reshape(x, [batch, channels, positions]),
      features: channels / geometry.groups,
      positions,
    };
  }
  // A window may end before the padded input does; pads beyond the last window are not needed.
  const reach = spatial.map(
    (_, axis) =>
      (at(outputSpatial, axis) - 1) * at(geometry.strides, axis) +
      (at(geometry.kernel, axis) - 1) * at(geometry.dilations, axis) +
      1,
  );
  const padsEnd = spatial.map((size, axis) =>
    Math.max(0, at(reach, axis) - size - at(geometry.padsBegin, axis)),
  );
  const padded =
    padsEnd.some((p) => p > 0) || geometry.padsBegin.some((p) => p > 0)
      ? b.emit('Pad', [x, b.ints([0, 0, ...geometry.padsBegin, 0, 0, ...padsEnd])])
      : x;
  const axes = spatial.map((_, axis) => axis + 2);
  const slices = kernelOffsets(geometry.kernel).map((offset) => {
    const starts = offset.map((k, axis) => k * at(geometry.dilations, axis));
    const ends = starts.map(
      (start, axis) => start + (at(outputSpatial, axis) - 1) * at(geometry.strides, axis) + 1,
    );
    const slice = b.emit('Slice', [
      padded,
      b.ints(starts),
      b.ints(ends),
      b.ints(axes),
      b.ints(geometry.strides),
    ]);
    return b.reshape(slice, [batch, channels, 1, positions]);
  });
  const stacked =
    slices.length === 1 ? (slices[0] as string) : b.emit('Concat', slices, { axis: int(2) });
  return {
    value: b.reshape(stacked, [batch, channels * offsets, positions]),
    features: (channels / geometry.groups) * offsets,
    positions,
  };
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
  let current = x;
  let sizes = [...spatial];
  geometry.strides.forEach((stride, axis) => {
    if (stride === 1) return;
    current = emitZerosBetween(b, current, [batch, channels, ...sizes], axis + 2, stride);
    sizes = sizes.map((size, other) => (other === axis ? (size - 1) * stride + 1 : size));
  });
  const begin = sizes.map(
    (_, axis) =>
      (at(geometry.kernel, axis) - 1) * at(geometry.dilations, axis) - at(geometry.padsBegin, axis),
  );
  const end = sizes.map(
    (size, axis) =>
      at(outputSpatial, axis) +
      (at(geometry.kernel, axis) - 1) * at(geometry.dilations, axis) -
      size -
      at(begin, axis),
  );
  const padded = b.emit('Pad', [current, b.ints([0, 0, ...begin, 0, 0, ...end])]);
  const axes = sizes.map((_, axis) => axis + 2);
  const positions = product(outputSpatial);
  const offsets = product(geometry.kernel);
  const slices = kernelOffsets(geometry.kernel).map((offset) => {
    const starts = offset.map(
      (k, axis) => (at(geometry.kernel, axis) - 1 - k) * at(geometry.dilations, axis),
    );
    const ends = starts.map((start, axis) => start + at(outputSpatial, axis));
    const slice = b.emit('Slice', [padded, b.ints(starts), b.ints(ends), b.ints(axes)]);
    return b.reshape(slice, [batch, channels, 1, positions]);
  });
  const stacked =
    slices.length === 1 ? (slices[0] as string) : b.emit('Concat', slices, { axis: int(2) });
  return {
    value: b.reshape(stacked, [batch, channels * offsets, positions]),
    features: (channels / geometry.groups) * offsets,
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
