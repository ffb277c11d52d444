// Resize: an interpolation along one axis after the other, each a product with a matrix.
import { int, ints, intsAttribute, string, stringAttribute, without } from '../attributes.js';
import { elementCount, type Node } from '../graph.js';
import { floatTensor, intTensor, tensorNumbers } from '../tensor.js';
import { at } from '../window.js';
import { constantNumbers } from './constant-input.js';
import { blockSums } from './nearest-resize.js';
import {
  type OpRule,
  UnsupportedFormError,
  type UpgradeContext,
  type Vjp,
  type VjpContext,
} from './op-rule.js';
import { input } from './pointwise.js';

const vjp: Vjp = (c, [g]) => {
  if (g === undefined || !c.wants(0)) return [];
  const { node, build, columns, type } = c;
  const from = type(input(c, 0)).shape;
  const to = type(node.outputs[0] ?? '').shape;
  if (repeats(node, from, to)) return [blockSums(build, g, columns, from, to)];
  let pulled = g;
  from.forEach((size, axis) => {
    if (size === at(to, axis) && !crops(node)) return;
    const before = elementCount(from.slice(0, axis)) * columns;
    const after = elementCount(to.slice(axis + 1));
    const rows = build.reshape(pulled, [before, at(to, axis), after]);
    const product = build.emit('MatMul', [interpolation(c, axis, size, at(to, axis)), rows]);
    pulled = build.reshape(product, [columns, ...from.slice(0, axis + 1), ...to.slice(axis + 1)]);
  });
  return [pulled];
};

/** Whether every element is repeated into a block. */
function repeats(node: Node, from: readonly number[], to: readonly number[]): boolean {
  if (stringAttribute(node, 'mode', 'nearest') !== 'nearest') return false;
  if (stringAttribute(node, 'keep_aspect_ratio_policy', 'stretch') !== 'stretch') return false;
  if (!to.every((size, axis) => Number.isInteger(size / at(from, axis)))) return false;
  const coordinates = stringAttribute(node, 'coordinate_transformation_mode', 'half_pixel');
  const rounding = stringAttribute(node, 'nearest_mode', 'round_prefer_floor');
  return coordinates === 'asymmetric'
    ? rounding === 'floor'
    : coordinates.endsWith('half_pixel') && rounding.startsWith('round_prefer');
}

/** Whether the node takes a part of its input, so that an axis changes though its size does not. */
const crops = (node: Node) =>
  stringAttribute(node, 'coordinate_transformation_mode', 'half_pixel') === 'tf_crop_and_resize';

/**
 * What the node makes of each unit vector along one axis, [size, to]: the same op on an identity
 * matrix, so that every mode and rounding is the runtime's own.
 */
function interpolation(c: VjpContext, axis: number, size: number, to: number): string {
  const { node, build } = c;
  const rank = c.type(input(c, 0)).shape.length;
  const axes = (intsAttribute(node, 'axes') ?? [...Array(rank).keys()]).map((a) =>
    a < 0 ? a + rank : a,
  );
  const place = axes.indexOf(axis);
  const scale = givenScale(c, axes, place);
  const identity = Array.from({ length: size * size }, (_, i) => (i % (size + 1) === 0 ? 1 : 0));
  const units = build.constant(floatTensor(identity, [1, 1, size, size]));
  const [start = 0, end = 1] = crops(node)
    ? [place, place + axes.length].map((index) => constantNumbers(c, 1)?.[index])
    : [];
  const roi = crops(node) ? build.constant(floatTensor([0, 0, 0, start, 1, 1, 1, end], [8])) : '';
  const target =
    scale === undefined
      ? [units, roi, '', build.ints([1, 1, size, to])]
      : [units, roi, build.constant(floatTensor([1, 1, 1, scale], [4]))];
  const attributes = without(
    node.attributes,
    ...['axes', 'keep_aspect_ratio_policy', 'extrapolation_value'],
  );
  return build.reshape(build.emit('Resize', target, attributes), [size, to]);
}

/**
 * The scale that coordinates along an axis follow from, where it is not the quotient of the sizes: the one that
 * the node was given, or the one that keeps the aspect ratio.
 * @param place of the axis among those that are resized
 * @throws UnsupportedFormError where the size of the output does not follow from it
 */
function givenScale(c: VjpContext, axes: readonly number[], place: number): number | undefined {
  const { node, type } = c;
  const policy = stringAttribute(node, 'keep_aspect_ratio_policy', 'stretch');
  const sizes = constantNumbers(c, 3);
  if (policy === 'stretch' || sizes === undefined) return constantNumbers(c, 2)?.[place];
  const from = type(input(c, 0)).shape;
  const scales = axes.map((axis, index) => at(sizes, index) / at(from, axis));
  const scale = policy === 'not_larger' ? Math.min(...scales) : Math.max(...scales);
  const axis = at(axes, place);
  if (
    Math.floor(at(from, axis) * Math.fround(scale)) !== at(type(node.outputs[0] ?? '').shape, axis)
  )
    throw new UnsupportedFormError(
      node,
      `keep_aspect_ratio_policy '${policy}' rounds the size of axis ${axis} up, which cannot be differentiated; resize by scales`,
    );
  return scale;
}

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
    {
      name: 'linear, to sizes',
      attributes: { mode: string('linear') },
      inputs: [
        { shape: [2, 2, 3, 4], dtype: 'float32' },
        undefined,
        undefined,
        intTensor([2, 2, 5, 3]),
      ],
    },
    {
      name: 'linear, aligned corners, one axis, by a fraction',
      attributes: {
        mode: string('linear'),
        coordinate_transformation_mode: string('align_corners'),
        axes: ints([-1]),
      },
      inputs: [
        { shape: [1, 2, 3, 4], dtype: 'float32' },
        undefined,
        floatTensor([1.6], [1]),
        undefined,
      ],
    },
    {
      name: 'cubic',
      attributes: { mode: string('cubic'), cubic_coeff_a: { kind: 'float', value: -0.5 } },
      inputs: [
        { shape: [1, 2, 4, 3], dtype: 'float32' },
        undefined,
        undefined,
        intTensor([1, 2, 6, 7]),
      ],
    },
    {
      name: 'linear, smaller without aliasing',
      attributes: { mode: string('linear'), antialias: int(1) },
      inputs: [
        { shape: [1, 1, 6, 5], dtype: 'float32' },
        undefined,
        undefined,
        intTensor([1, 1, 3, 2]),
      ],
    },
    {
      name: 'linear, a part of the input',
      attributes: {
        mode: string('linear'),
        coordinate_transformation_mode: string('tf_crop_and_resize'),
      },
      inputs: [
        { shape: [1, 2, 4, 5], dtype: 'float32' },
        floatTensor([0, 0, 0.4, -0.1, 1, 1, 0.6, 0.8], [8]),
        undefined,
        intTensor([1, 2, 3, 5]),
      ],
    },
    {
      name: 'linear, within sizes that keep the aspect ratio',
      attributes: {
        mode: string('linear'),
        keep_aspect_ratio_policy: string('not_larger'),
        axes: ints([2, 3]),
      },
      inputs: [{ shape: [1, 2, 4, 2], dtype: 'float32' }, undefined, undefined, intTensor([6, 9])],
    },
    {
      name: 'nearest, by a fraction',
      attributes: { mode: string('nearest') },
      inputs: [
        { shape: [1, 2, 5, 3], dtype: 'float32' },
        undefined,
        undefined,
        intTensor([1, 2, 3, 4]),
      ],
    },
  ],
};
