// MaxPool and GlobalMaxPool; among equal maxima the first in the window gets the cotangent.
import { int, intAttribute, ints, string, without } from '../attributes.js';
import { elementCount } from '../graph.js';
import { floatTensor } from '../tensor.js';
import { at, windowGeometry } from '../window.js';
import { zeros } from './indexed-rows.js';
import { repeated } from './nearest-resize.js';
import {
  type OpExample,
  type OpRule,
  UnsupportedFormError,
  type Vjp,
  type VjpContext,
} from './op-rule.js';
import { blockAttributes, cropped, tiledSizes, uncropped } from './pooling-blocks.js';
import { forColumns } from './scatter-elements.js';

const maxPoolVjp: Vjp = (context, [g]) => {
  if (g === undefined) return [];
  const { node, type } = context;
  const spatial = type(node.inputs[0] ?? '').shape.slice(2);
  const kernel = node.attributes.kernel_shape;
  if (kernel?.kind !== 'ints') throw new UnsupportedFormError(node, 'kernel_shape is missing');
  const geometry = windowGeometry(node, spatial, kernel.value);
  const tiled = tiledSizes(geometry, type(node.outputs[0] ?? '').shape.slice(2), spatial);
  // Nearest Resize has no float64 kernel.
  return tiled === undefined || type(node.inputs[0] ?? '').dtype === 'float64'
    ? [scattered(context, g)]
    : [masked(context, g, geometry.kernel, tiled)];
};

const globalVjp: Vjp = (context, [g]) => {
  if (g === undefined) return [];
  const spatial = context.type(context.node.inputs[0] ?? '').shape.slice(2);
  return [masked(context, g, spatial, spatial)];
};

/**
 * Windows that tile the input: the cotangent is repeated over its window and masked. The mask is
 * made once per batch, without a column axis. 9 columns of 128 x 6 x 24 x 24 take 3.0 ms on one
 * thread; with the pool's own Indices output 5.1, MaxUnpool 4.4, ScatterElements 7.3,
 * ConvTranspose 6.9, masks by phase 12.5, Gather 33.
 */
function masked(
  context: VjpContext,
  g: string,
  kernel: readonly number[],
  tiled: readonly number[],
): string {
  const { node, build, columns, type } = context;
  const input = type(node.inputs[0] ?? '').shape;
  const [batch, channels, ...pooled] = type(node.outputs[0] ?? '').shape as Map3;
  const mask = firstMaximum(context, kernel, tiled);
  const rows = build.reshape(g, [columns * batch, channels, ...pooled]);
  const wide = repeated(build, rows, [columns * batch, channels, ...pooled], tiled);
  const shaped = build.reshape(wide, [columns, batch, channels, ...tiled]);
  return uncropped(build, build.scaled(shaped, mask), 3, tiled, input.slice(2));
}

type Map3 = readonly [number, number, ...number[]];

/** 1 where the window's first maximum is, else 0: [batch, channels, ...tiled], float32. */
function firstMaximum(
  { node, build, type, output }: VjpContext,
  kernel: readonly number[],
  tiled: readonly number[],
): string {
  const input = node.inputs[0] ?? '';
  const shape = type(node.outputs[0] ?? '').shape as Map3;
  const x = cropped(build, input, 2, type(input).shape.slice(2), tiled);
  const isMaximum = build.emit('Equal', [x, repeated(build, output(0), shape, tiled)]);
  // Among equals the highest rank wins; ranks fall along the window.
  const ranks = floatTensor(windowRanks(kernel, tiled), tiled);
  const ranked = build.emit('Where', [
    isMaximum,
    build.constant(ranks),
    build.scalar(0, 'float32'),
  ]);
  const best = build.emit('MaxPool', [ranked], blockAttributes(kernel));
  const isFirst = build.emit('Equal', [ranked, repeated(build, best, shape, tiled)]);
  return build.emit('Cast', [isFirst], { to: int(1) });
}

/** K - (row-major position in the window) for every position, K the size of the window. */
function windowRanks(kernel: readonly number[], tiled: readonly number[]): number[] {
  let ranks = [0];
  for (const [axis, size] of tiled.entries()) {
    const k = at(kernel, axis);
    ranks = ranks.flatMap((rank) => Array.from({ length: size }, (_, i) => rank * k + (i % k)));
  }
  return ranks.map((rank) => elementCount(kernel) - rank);
}

/** Any windows: the cotangent is added at the position that ONNX Runtime's Indices name. */
function scattered(context: VjpContext, g: string): string {
  const { node, build, columns, type } = context;
  const input = type(node.inputs[0] ?? '');
  const [from, to] = [type(node.outputs[0] ?? '').shape, input.shape].map(elementCount);
  const dtype = input.dtype === 'float64' ? 'float64' : 'float32';
  const scatteredRows = build.emit(
    'ScatterElements',
    [
      zeros(build, [columns, to ?? 0], dtype),
      forColumns(build, build.reshape(context.output(1), [from ?? 0]), [from ?? 0], columns),
      build.reshape(g, [columns, from ?? 0]),
    ],
    { axis: int(1), reduction: string('add') },
  );
  return build.reshape(scatteredRows, [columns, ...input.shape]);
}

function example(
  name: string,
  attributes: OpExample['attributes'] & object,
  shape: readonly number[],
  dtype: 'float32' | 'float64' = 'float32',
): OpExample {
  return { name, attributes, inputs: [{ shape, distinct: true, dtype }] };
}

const k22 = { kernel_shape: ints([2, 2]) };

export const maxPool: OpRule = {
  op: 'MaxPool',
  vjp: maxPoolVjp,
  linearity: 'piecewise-linear',
  upgrade: (node) => {
    if (intAttribute(node, 'storage_order', 0) === 0) return [node];
    if ((node.outputs[1] ?? '') !== '')
      throw new UnsupportedFormError(node, 'indices in column-major storage order');
    return [{ ...node, attributes: without(node.attributes, 'storage_order') }];
  },
  examples: [
    example('2 x 2 blocks', { ...k22, strides: ints([2, 2]) }, [2, 3, 4, 6]),
    example('blocks that leave rows over', { ...k22, strides: ints([2, 2]) }, [2, 2, 5, 7]),
    example('one window', { kernel_shape: ints([3, 2]) }, [3, 2, 3, 2]),
    example('overlapping', { kernel_shape: ints([3]), strides: ints([2]) }, [2, 2, 8]),
    example(
      'pads and ceil_mode',
      {
        kernel_shape: ints([3, 2]),
        strides: ints([2, 2]),
        pads: ints([1, 0, 1, 1]),
        ceil_mode: int(1),
      },
      [2, 2, 6, 5],
    ),
    example(
      'blocks with ceil_mode',
      { ...k22, strides: ints([2, 2]), ceil_mode: int(1) },
      [2, 2, 5, 4],
    ),
    example(
      'stride 1, dilations',
      { kernel_shape: ints([2, 3]), dilations: ints([2, 1]) },
      [2, 2, 5, 4],
    ),
    example(
      'SAME_UPPER',
      { ...k22, strides: ints([2, 2]), auto_pad: string('SAME_UPPER') },
      [2, 2, 5, 4],
    ),
    example(
      '3 dimensions',
      { kernel_shape: ints([2, 1, 2]), strides: ints([2, 1, 2]) },
      [2, 2, 4, 3, 4],
    ),
    example('blocks in float64', { ...k22, strides: ints([2, 2]) }, [2, 2, 4, 4], 'float64'),
  ],
};

export const globalMaxPool: OpRule = {
  op: 'GlobalMaxPool',
  vjp: globalVjp,
  linearity: 'piecewise-linear',
  examples: [
    example('2 dimensions', {}, [2, 3, 4, 3]),
    example('1 dimension', {}, [2, 3, 5]),
    example('3 dimensions', {}, [2, 2, 2, 3, 2]),
  ],
};
