// AveragePool and GlobalAveragePool: count_include_pad, ceil_mode, dilations, auto_pad.
import { int, intAttribute, ints, string } from '../attributes.js';
import { elementCount } from '../graph.js';
import { floatTensor } from '../tensor.js';
import { at, type WindowGeometry, windowGeometry } from '../window.js';
import { spread } from './convolution.js';
import { outerRepeated, repeated } from './nearest-resize.js';
import {
  type OpExample,
  type OpRule,
  UnsupportedFormError,
  type Vjp,
  type VjpContext,
} from './op-rule.js';
import { tiledSizes, uncropped } from './pooling-blocks.js';

const averageVjp: Vjp = (context, [g]) => {
  if (g === undefined) return [];
  const { node, type } = context;
  const spatial = type(node.inputs[0] ?? '').shape.slice(2);
  const pooled = type(node.outputs[0] ?? '').shape.slice(2);
  const kernel = node.attributes.kernel_shape;
  if (kernel?.kind !== 'ints') throw new UnsupportedFormError(node, 'kernel_shape is missing');
  const geometry = windowGeometry(node, spatial, kernel.value);
  const tiled = tiledSizes(geometry, pooled, spatial);
  return tiled === undefined
    ? [overlapping(context, g, geometry, pooled, spatial)]
    : [blocks(context, g, geometry.kernel, tiled)];
};

const globalVjp: Vjp = (context, [g]) => {
  if (g === undefined) return [];
  const spatial = context.type(context.node.inputs[0] ?? '').shape.slice(2);
  return [blocks(context, g, spatial, spatial)];
};

/** Windows that tile the input: the cotangent over K, repeated. */
function blocks(
  { node, build, columns, type }: VjpContext,
  g: string,
  kernel: readonly number[],
  tiled: readonly number[],
): string {
  const input = type(node.inputs[0] ?? '').shape;
  const [batch, channels, ...pooled] = type(node.outputs[0] ?? '').shape as [
    number,
    number,
    ...number[],
  ];
  const rows = [columns * batch, channels] as const;
  const share = 1 / elementCount(kernel);
  const flat = build.reshape(g, [...rows, ...pooled]);
  const wide =
    elementCount(pooled) === 1
      ? outerRepeated(build, flat, rows, tiled, share)
      : repeated(
          build,
          build.emit('Mul', [flat, build.scalar(share, 'float32')]),
          [...rows, ...pooled],
          tiled,
        );
  const shaped = build.reshape(wide, [columns, batch, channels, ...tiled]);
  return uncropped(build, shaped, 3, tiled, input.slice(2));
}

/** Any windows: each cotangent over its window's count, spread by a kernel of ones. */
function overlapping(
  { node, build, columns, type }: VjpContext,
  g: string,
  geometry: WindowGeometry,
  pooled: readonly number[],
  spatial: readonly number[],
): string {
  const input = type(node.inputs[0] ?? '').shape;
  const counts = windowCounts(node, geometry, pooled, spatial);
  const { kernel, strides, dilations, padsBegin } = geometry;
  const first = counts[0] ?? 1;
  const uniform = counts.every((count) => count === first);
  const shares = uniform
    ? build.scalar(1 / first, 'float32')
    : build.constant(
        floatTensor(
          counts.map((count) => 1 / count),
          pooled,
        ),
      );
  const maps = columns * at(input, 0) * at(input, 1);
  const rows = build.reshape(build.emit('Mul', [g, shares]), [maps, 1, ...pooled]);
  const before = kernel.map((k, axis) => k - 1 - at(padsBegin, axis));
  const after = kernel.map((_, axis) => at(spatial, axis) - at(pooled, axis) + at(padsBegin, axis));
  const poolable = kernel.every(
    (k, axis) =>
      at(strides, axis) === 1 &&
      at(dilations, axis) === 1 &&
      at(before, axis) >= 0 &&
      at(after, axis) >= 0 &&
      at(after, axis) < k,
  );
  if (poolable) {
    // A sum over windows again, and pooling is faster than a convolution with ones.
    const means = build.emit('AveragePool', [rows], {
      kernel_shape: ints(kernel),
      strides: ints(strides),
      pads: ints([...before, ...after]),
      count_include_pad: int(1),
    });
    const sums = build.emit('Mul', [means, build.scalar(elementCount(kernel), 'float32')]);
    return build.reshape(sums, [columns, ...input]);
  }
  const ones = floatTensor(Array(elementCount(kernel)).fill(1), [1, 1, ...kernel]);
  const single = { ...geometry, groups: 1 };
  const weight = build.constant(ones);
  const sums = spread(build, rows, weight, ones, single, 1, pooled, spatial);
  return build.reshape(sums, [columns, ...input]);
}

/** How many elements each window averages: pads count on request, what lies beyond them never. */
function windowCounts(
  node: VjpContext['node'],
  geometry: WindowGeometry,
  pooled: readonly number[],
  spatial: readonly number[],
): readonly number[] {
  const withPads = intAttribute(node, 'count_include_pad', 0) !== 0;
  let counts = [1];
  for (const [axis, k] of geometry.kernel.entries()) {
    const size = at(spatial, axis);
    const end = withPads ? size + at(geometry.padsEnd, axis) : size;
    const begin = withPads ? -at(geometry.padsBegin, axis) : 0;
    const along = Array.from({ length: at(pooled, axis) }, (_, index) => {
      const start = index * at(geometry.strides, axis) - at(geometry.padsBegin, axis);
      return Array.from({ length: k }, (_, j) => start + j * at(geometry.dilations, axis)).filter(
        (position) => position >= begin && position < end,
      ).length;
    });
    counts = counts.flatMap((count) => along.map((more) => count * more));
  }
  return counts;
}

function example(
  name: string,
  attributes: OpExample['attributes'] & object,
  shape: readonly number[],
): OpExample {
  return { name, attributes, inputs: [{ shape, dtype: 'float32' }] };
}

const k22 = { kernel_shape: ints([2, 2]) };
const k33 = { kernel_shape: ints([3, 3]) };
const padded = { ...k33, strides: ints([2, 2]), pads: ints([1, 1, 1, 1]) };

export const averagePool: OpRule = {
  op: 'AveragePool',
  vjp: averageVjp,
  linearity: 'linear',
  examples: [
    example('2 x 2 blocks', { ...k22, strides: ints([2, 2]) }, [2, 3, 4, 6]),
    example('blocks that leave rows over', { ...k22, strides: ints([2, 2]) }, [2, 2, 5, 7]),
    example('one window', { kernel_shape: ints([3, 2]) }, [3, 2, 3, 2]),
    example('overlapping', { ...k33, strides: ints([2, 2]) }, [2, 2, 6, 7]),
    example(
      'stride 1',
      { ...k33, pads: ints([1, 0, 1, 1]), count_include_pad: int(1) },
      [2, 2, 4, 5],
    ),
    example('stride 1, pads not counted', { ...k33, pads: ints([1, 1, 1, 1]) }, [2, 2, 4, 4]),
    example('pads not counted', padded, [2, 2, 5, 6]),
    example('pads counted', { ...padded, count_include_pad: int(1) }, [2, 2, 5, 6]),
    example('ceil_mode, pads not counted', { ...padded, ceil_mode: int(1) }, [2, 2, 5, 6]),
    example(
      'ceil_mode, pads counted',
      { ...padded, ceil_mode: int(1), count_include_pad: int(1) },
      [2, 2, 5, 6],
    ),
    example(
      'blocks with ceil_mode',
      { ...k22, strides: ints([2, 2]), ceil_mode: int(1) },
      [2, 2, 5, 4],
    ),
    example(
      'dilations',
      { kernel_shape: ints([2]), dilations: ints([2]), strides: ints([2]) },
      [2, 2, 7],
    ),
    example('SAME_LOWER', { ...k22, auto_pad: string('SAME_LOWER') }, [2, 2, 4, 3]),
    example('1 dimension', { kernel_shape: ints([3]), strides: ints([3]) }, [2, 2, 9]),
    example(
      '3 dimensions',
      { kernel_shape: ints([2, 2, 1]), strides: ints([2, 1, 1]) },
      [2, 2, 4, 3, 2],
    ),
  ],
};

export const globalAveragePool: OpRule = {
  op: 'GlobalAveragePool',
  vjp: globalVjp,
  linearity: 'linear',
  examples: [
    example('2 dimensions', {}, [2, 3, 4, 3]),
    example('1 dimension', {}, [2, 3, 5]),
    example('3 dimensions', {}, [2, 2, 2, 3, 2]),
  ],
};
