// Resize by whole factors with the nearest neighbour: every element is repeated; the VJP sums the repeats.
import { int, ints, string, stringAttribute } from '../attributes.js';
import type { GraphBuilder } from '../builder.js';
import { elementCount, type Node } from '../graph.js';
import { floatTensor, intTensor, tensorNumbers } from '../tensor.js';
import { at } from '../window.js';
import { type OpRule, UnsupportedFormError, type UpgradeContext, type Vjp } from './op-rule.js';

/**
 * Repeats each element of a float32 feature map into a block. Nearest Resize takes 1.3 ms for
 * [1152, 6, 12, 12] to 24 x 24 on one thread; a broadcast over inner unit axes, Gather and
 * ConvTranspose take 3 to 20 times as long. From one pixel an outer product with ones is faster.
 * @param value [N, channels, ...from]
 * @param factor what the repeats are multiplied by; only from one pixel
 * @returns [N, channels, ...to], each size a multiple of that of `from`
 */
export function repeated(
  build: GraphBuilder,
  value: string,
  [n, channels, ...from]: readonly [number, number, ...number[]],
  to: readonly number[],
): string {
  const positions = elementCount(to);
  if (elementCount(from) === positions) return value;
  if (elementCount(from) === 1) return outerRepeated(build, value, [n, channels], to, 1);
  return build.emit('Resize', [value, '', '', build.ints([n, channels, ...to])], {
    mode: string('nearest'),
    coordinate_transformation_mode: string('asymmetric'),
    nearest_mode: string('floor'),
  });
}

/** One pixel times `factor`, at all positions: [N, channels, 1, ...] to [N, channels, ...to]. */
export function outerRepeated(
  build: GraphBuilder,
  value: string,
  [n, channels]: readonly [number, number],
  to: readonly number[],
  factor: number,
): string {
  const positions = elementCount(to);
  const row = build.constant(floatTensor(Array(positions).fill(factor), [1, positions]));
  const column = build.reshape(value, [n * channels, 1]);
  return build.reshape(build.emit('MatMul', [column, row]), [n, channels, ...to]);
}

const vjp: Vjp = ({ node, build, columns, type }, [g]) => {
  if (g === undefined) return [];
  const input = type(node.inputs[0] ?? '').shape;
  const output = type(node.outputs[0] ?? '').shape;
  const factors = output.map((size, axis) => size / at(input, axis));
  const refuse = (reason: string) =>
    new UnsupportedFormError(
      node,
      `${reason} cannot be differentiated; only nearest upsampling can`,
    );
  if (stringAttribute(node, 'mode', 'nearest') !== 'nearest') throw refuse('interpolation');
  if (!factors.every(Number.isInteger)) throw refuse('resizing by a fraction');
  const coordinates = stringAttribute(node, 'coordinate_transformation_mode', 'half_pixel');
  const rounding = stringAttribute(node, 'nearest_mode', 'round_prefer_floor');
  const repeats =
    coordinates === 'asymmetric'
      ? rounding === 'floor'
      : coordinates.endsWith('half_pixel') && rounding.startsWith('round_prefer');
  if (!repeats) throw refuse(`nearest_mode '${rounding}' with '${coordinates}' coordinates`);
  const block = factors.slice(2);
  if (block.length > 0 && factors[0] === 1 && factors[1] === 1) {
    const [n, channels, ...to] = output as [number, number, ...number[]];
    const rows = build.reshape(g, [columns * n, channels, ...to]);
    const means = build.emit('AveragePool', [rows], {
      kernel_shape: ints(block),
      strides: ints(block),
    });
    const scale = build.scalar(elementCount(block), 'float32');
    return [build.reshape(build.emit('Mul', [means, scale]), [columns, ...input])];
  }
  const split = build.reshape(g, [
    columns,
    ...input.flatMap((size, axis) => [size, at(factors, axis)]),
  ]);
  const axes = build.ints(input.map((_, axis) => 2 * axis + 2));
  return [build.emit('ReduceSum', [split, axes], { keepdims: int(0) })];
};

/**
 * Resize 10 had scales alone and one way to map coordinates; 11 and 12 had roi and scales always,
 * empty where they mean nothing.
 */
export function upgradeResize(node: Node, opset: number, context: UpgradeContext): readonly Node[] {
  const [x = '', ...others] = node.inputs;
  if (opset < 11) {
    const scales = context.initializer(others[0] ?? '');
    const factors = scales === undefined ? [] : tensorNumbers(scales);
    const shrinks = factors.some((factor) => factor < 1);
    const nearest = stringAttribute(node, 'mode', 'nearest') === 'nearest';
    if (nearest && shrinks && factors.some((factor) => factor > 1))
      throw new UnsupportedFormError(
        node,
        'it shrinks one axis and stretches another; export the model with opset_version=20',
      );
    const mapping = {
      coordinate_transformation_mode: string('asymmetric'),
      // ONNX Runtime's rounding, which the specification of opset 10 leaves open.
      nearest_mode: string(shrinks ? 'ceil' : 'floor'),
    };
    const inputs = [x, '', others[0] ?? ''];
    return [{ ...node, inputs, attributes: { ...node.attributes, ...mapping } }];
  }
  if (opset >= 13) return [node];
  if (stringAttribute(node, 'coordinate_transformation_mode', '') === 'tf_half_pixel_for_nn')
    throw new UnsupportedFormError(
      node,
      "coordinates 'tf_half_pixel_for_nn' are gone since opset 13; export the model with opset_version=20",
    );
  const present = (value: string) => {
    const tensor = context.initializer(value);
    return tensor === undefined || elementCount(tensor.shape) > 0 ? value : '';
  };
  return [{ ...node, inputs: [x, ...others.map(present)] }];
}

const repeating = {
  mode: string('nearest'),
  coordinate_transformation_mode: string('asymmetric'),
  nearest_mode: string('floor'),
};

export const resize: OpRule = {
  op: 'Resize',
  vjp,
  linearity: 'linear',
  upgrade: upgradeResize,
  examples: [
    {
      name: 'to sizes',
      attributes: repeating,
      inputs: [
        { shape: [2, 3, 2, 3], dtype: 'float32' },
        undefined,
        undefined,
        intTensor([2, 3, 4, 9]),
      ],
    },
    {
      name: 'by scales, half-pixel coordinates',
      attributes: { mode: string('nearest') },
      inputs: [
        { shape: [2, 3, 4], dtype: 'float32' },
        undefined,
        floatTensor([1, 1, 3], [3]),
        undefined,
      ],
    },
    {
      name: 'channels too',
      attributes: repeating,
      inputs: [{ shape: [2, 3, 2], dtype: 'float32' }, undefined, undefined, intTensor([2, 6, 4])],
    },
  ],
};
