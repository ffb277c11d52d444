// The three maps behind Conv and ConvTranspose: correlate with a kernel, spread by it, and the kernel's cotangent.
import { int, ints } from '../attributes.js';
import type { GraphBuilder } from '../builder.js';
import { elementCount, type Tensor } from '../graph.js';
import { at, type WindowGeometry } from '../window.js';
import { permuted, reshaped } from './constant-tensor.js';

/** ONNX Runtime's blocked CPU kernels work on this many channels at a time. */
const CHANNEL_BLOCK = 16;
/**
 * A multiplication in ConvTranspose costs about this many of those in Conv: 16 -> 6 channels of
 * 12 x 12 from 8 x 8 (kernel 5) take 3.4 ms as ConvTranspose and 10.5 ms as Conv, 32 -> 32 of
 * 16 x 16 (kernel 3) 49 and 30 ms (576 maps, one thread, ONNX Runtime 1.30).
 */
const SPREADING_COST = 1.5;

/** Attributes of a Conv or ConvTranspose with this geometry. */
export function windowAttributes(geometry: WindowGeometry) {
  return {
    group: int(geometry.groups),
    strides: ints(geometry.strides),
    dilations: ints(geometry.dilations),
    pads: ints([...geometry.padsBegin, ...geometry.padsEnd]),
  };
}

/** Sizes that a kernel covers: (kernel - 1) * dilation + 1. */
export function windowExtent({ kernel, dilations }: WindowGeometry): readonly number[] {
  return kernel.map((k, axis) => (k - 1) * at(dilations, axis) + 1);
}

/**
 * The transpose of a convolution with respect to its input.
 * @param value [N, M, ...from]
 * @param weight [M, channels/groups, ...kernel]
 * @param constant the weight's contents where the program may hold a rotated copy
 * @param to the spatial sizes of the convolution's input
 * @returns [N, channels, ...to]
 */
export function spread(
  build: GraphBuilder,
  value: string,
  weight: string,
  constant: Tensor | undefined,
  geometry: WindowGeometry,
  channels: number,
  from: readonly number[],
  to: readonly number[],
): string {
  if (constant !== undefined && prefersConv(geometry, channels, from, to)) {
    const extent = windowExtent(geometry);
    const rotated = {
      ...geometry,
      padsBegin: extent.map((size, axis) => size - 1 - at(geometry.padsBegin, axis)),
      padsEnd: extent.map((size, axis) => size - 1 - at(geometry.padsEnd, axis)),
    };
    const kernel = build.constant(rotatedKernel(constant, geometry.groups));
    return build.emit('Conv', [value, kernel], windowAttributes(rotated));
  }
  const { padsEnd, outputPadding } = spreadEnd(geometry, from, to);
  return build.emit('ConvTranspose', [value, weight], {
    ...windowAttributes({ ...geometry, padsEnd }),
    output_padding: ints(outputPadding),
  });
}

/** What ConvTranspose has to crop or add at the end so that `from` becomes `to`. */
function spreadEnd(
  geometry: WindowGeometry,
  from: readonly number[],
  to: readonly number[],
): { padsEnd: readonly number[]; outputPadding: readonly number[] } {
  const missing = windowExtent(geometry).map((size, axis) => {
    const reach = (at(from, axis) - 1) * at(geometry.strides, axis) + size;
    return at(to, axis) - (reach - at(geometry.padsBegin, axis) - at(geometry.padsEnd, axis));
  });
  return {
    // A window that reaches beyond the pads (ceil_mode) is cropped.
    padsEnd: geometry.padsEnd.map((pads, axis) => pads + Math.max(0, -at(missing, axis))),
    outputPadding: missing.map((size) => Math.max(0, size)),
  };
}

function prefersConv(
  geometry: WindowGeometry,
  channels: number,
  from: readonly number[],
  to: readonly number[],
): boolean {
  if (geometry.strides.some((stride) => stride !== 1)) return false;
  const extent = windowExtent(geometry);
  if (extent.some((size, axis) => size <= at(geometry.padsBegin, axis))) return false;
  if (extent.some((size, axis) => size <= at(geometry.padsEnd, axis))) return false;
  if (geometry.groups > 1) return true;
  const blocks = Math.ceil(channels / CHANNEL_BLOCK) * CHANNEL_BLOCK;
  return blocks * elementCount(to) <= SPREADING_COST * channels * elementCount(from);
}

/** [M, channels/groups, ...kernel] to [channels, M/groups, ...kernel reversed]. */
function rotatedKernel(weight: Tensor, groups: number): Tensor {
  const [m, inner] = [at(weight.shape, 0), at(weight.shape, 1)];
  const kernel = weight.shape.slice(2);
  const spatial = kernel.map((_, axis) => axis + 3);
  const grouped = reshaped(weight, [groups, m / groups, inner, ...kernel]);
  const turned = permuted(grouped, [0, 2, 1, ...spatial], spatial);
  return reshaped(turned, [groups * inner, m / groups, ...kernel]);
}

/** One operand of `kernelCotangent`: [columns, batch, channels, ...spatial], columns 1 where it has none. */
export interface Operand {
  readonly value: string;
  readonly columns: number;
  readonly channels: number;
  readonly spatial: readonly number[];
}

/**
 * The kernel's cotangent: sum over the batch and the positions of outer products, one batched
 * convolution in which the batch takes the place of the channels.
 * @param large the convolution's input (for ConvTranspose: the output's cotangent)
 * @param small the convolution's output cotangent (for ConvTranspose: its input); one of the two has columns
 * @returns [C, small.channels, large.channels/groups, ...kernel]
 */
export function kernelCotangent(
  build: GraphBuilder,
  large: Operand,
  small: Operand,
  batch: number,
  geometry: WindowGeometry,
): string {
  const { groups, kernel } = geometry;
  const axes = kernel.map((_, axis) => axis);
  const inner = large.channels / groups;
  const outer = small.channels / groups;
  // [columns, B, G, inner, ...] to [columns * inner, G * B, ...]
  const signal = rearranged(
    build,
    large.value,
    [large.columns, batch, groups, inner, ...large.spatial],
    [0, 3, 2, 1, ...axes.map((axis) => axis + 4)],
    [large.columns * inner, groups * batch, ...large.spatial],
  );
  // [columns, B, G, outer, ...] to [G * columns * outer, B, ...]
  const window = rearranged(
    build,
    small.value,
    [small.columns, batch, groups, outer, ...small.spatial],
    [2, 0, 3, 1, ...axes.map((axis) => axis + 4)],
    [groups * small.columns * outer, batch, ...small.spatial],
  );
  const extent = windowExtent(geometry);
  const exactEnd = axes.map(
    (axis) =>
      at(extent, axis) +
      (at(small.spatial, axis) - 1) * at(geometry.strides, axis) -
      at(large.spatial, axis) -
      at(geometry.padsBegin, axis),
  );
  const correlated = build.emit(
    'Conv',
    [signal, window],
    windowAttributes({
      ...geometry,
      strides: geometry.dilations,
      dilations: geometry.strides,
      padsEnd: exactEnd.map((pads) => Math.max(0, pads)),
    }),
  );
  const cropped = exactEnd.some((pads) => pads < 0)
    ? build.emit('Slice', [
        correlated,
        build.ints(axes.map(() => 0)),
        build.ints(kernel),
        build.ints(axes.map((axis) => axis + 2)),
      ])
    : correlated;
  return rearranged(
    build,
    cropped,
    [large.columns, inner, groups, small.columns, outer, ...kernel],
    [0, 3, 2, 4, 1, ...axes.map((axis) => axis + 5)],
    [large.columns * small.columns, groups * outer, inner, ...kernel],
  );
}

/** Reshape, Transpose, Reshape, without the transposition where it moves unit axes only. */
function rearranged(
  build: GraphBuilder,
  value: string,
  split: readonly number[],
  permutation: readonly number[],
  merged: readonly number[],
): string {
  const moving = permutation.filter((axis) => at(split, axis) !== 1);
  if (moving.every((axis, index) => index === 0 || axis > at(moving, index - 1)))
    return build.reshape(value, merged);
  const turned = build.emit('Transpose', [build.reshape(value, split)], {
    perm: ints(permutation),
  });
  return build.reshape(turned, merged);
}

/** The bias' cotangent: the sum over the batch and the positions. @returns [C, channels] */
export function biasCotangent(build: GraphBuilder, g: string, spatialRank: number): string {
  const axes = [1, ...Array.from({ length: spatialRank }, (_, axis) => axis + 3)];
  return build.emit('ReduceSum', [g, build.ints(axes)], { keepdims: int(0) });
}
