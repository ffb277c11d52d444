// Normalisation by statistics of the sample itself: LayerNormalization, InstanceNormalization, LRN.
import { floatAttribute, int, intAttribute } from '../attributes.js';
import { elementCount } from '../graph.js';
import { floatTensor } from '../tensor.js';
import { sumToShape } from '../unbroadcast.js';
import { at } from '../window.js';
import { localResponse } from './local-response.js';
import type { LinearityOf, OpRule, Vjp, VjpContext } from './op-rule.js';
import { asMask, input, widthOf } from './pointwise.js';
import { standardized, standardizedCotangent } from './standardize.js';

/**
 * Y = standardised X * scale + B.
 * @param normalised the trailing axes over which X is standardised, counted from the front
 * @param affine the shape in which scale and B broadcast to X
 */
function affineVjp(
  context: VjpContext,
  g: string,
  normalised: number,
  affine: (parameter: readonly number[]) => readonly number[],
): readonly (string | undefined)[] {
  const { node, build, columns, type } = context;
  const { shape } = type(input(context, 0));
  const size = elementCount(shape.slice(normalised));
  const count = elementCount(shape.slice(0, normalised));
  const rows = { size, dtype: widthOf(context, input(context, 0)) };
  const epsilon = floatAttribute(node, 'epsilon', 1e-5);
  const x = build.reshape(input(context, 0), [count, size]);
  const whole = standardized(build, x, epsilon, rows);
  const spread = (parameter: string) => {
    const own = type(parameter).shape;
    const wide = affine(own);
    return wide.length === own.length ? parameter : build.reshape(parameter, wide);
  };
  /** The cotangent of a parameter, summed over all that it was broadcast along. */
  const gathered = (index: number, cotangent: string) => {
    const own = type(input(context, index)).shape;
    const wide = affine(own);
    const summed = sumToShape(build, cotangent, shape, wide);
    return wide.length === own.length ? summed : build.reshape(summed, [columns, ...own]);
  };
  const pulled = (): string => {
    const scaled = build.scaled(g, spread(input(context, 1)));
    const flat = build.reshape(scaled, [columns, count, size]);
    return build.reshape(standardizedCotangent(build, whole, flat), [columns, ...shape]);
  };
  return [
    context.wants(0) ? pulled() : undefined,
    context.wants(1)
      ? gathered(1, build.emit('Mul', [g, build.reshape(whole.value, shape)]))
      : undefined,
    context.wants(2) ? gathered(2, g) : undefined,
  ];
}

const layerVjp: Vjp = (context, [g, mean, inverse]) => {
  const rank = context.type(input(context, 0)).shape.length;
  const given = intAttribute(context.node, 'axis', -1);
  const axis = given < 0 ? given + rank : given;
  const [x, ...affine] = g === undefined ? [] : affineVjp(context, g, axis, (own) => own);
  const parts = [x, ...statisticsVjp(context, axis, mean, inverse)].filter(
    (part) => part !== undefined,
  );
  const [first] = parts;
  return [parts.length > 1 ? context.build.emit('Sum', parts) : first, ...affine];
};

/**
 * Cotangents of X from those of the mean and of r = 1 / sqrt(variance + epsilon), per row of size D:
 * dmean / dx = 1 / D and dr / dx = -r^3 (x - mean) / D.
 */
function statisticsVjp(
  context: VjpContext,
  axis: number,
  mean: string | undefined,
  inverse: string | undefined,
): readonly string[] {
  const { build, columns, type } = context;
  if (!context.wants(0) || (mean === undefined && inverse === undefined)) return [];
  const x = input(context, 0);
  const { shape } = type(x);
  const share = build.scalar(1 / elementCount(shape.slice(axis)), widthOf(context, x));
  const spread = (value: string) =>
    build.emit('Expand', [build.emit('Mul', [value, share]), build.ints([columns, ...shape])]);
  // ONNX Runtime gives float32 statistics of float64 data.
  const wide = (value: string) =>
    widthOf(context, x) === 'float64' ? asMask(context, value, x) : value;
  const parts: string[] = [];
  if (mean !== undefined) parts.push(spread(wide(mean)));
  if (inverse !== undefined) {
    const r = wide(context.output(2));
    const cube = build.emit('Mul', [build.emit('Mul', [r, r]), r]);
    const centred = build.emit('Sub', [x, wide(context.output(1))]);
    const slope = build.emit('Neg', [build.emit('Mul', [centred, cube])]);
    parts.push(build.emit('Mul', [spread(wide(inverse)), slope]));
  }
  return parts;
}

const instanceVjp: Vjp = (context, [g]) => {
  if (g === undefined) return [];
  const spatial = context.type(input(context, 0)).shape.slice(2);
  return affineVjp(context, g, 2, (own) => [at(own, 0), ...spatial.map(() => 1)]);
};

/** Products of scale and the standardised X bend; scale and B alone do not. */
const linearity: LinearityOf = (_node, [x]) => (x === true ? 'smooth' : 'linear');

const layerNormalization: OpRule = {
  op: 'LayerNormalization',
  vjp: layerVjp,
  linearity,
  examples: [
    { name: 'tokens', inputs: [{ shape: [2, 3, 5] }, { shape: [5] }, { shape: [5] }] },
    {
      name: 'two axes, no bias',
      attributes: { axis: int(1), epsilon: { kind: 'float', value: 0.1 } },
      inputs: [{ shape: [3, 2, 4] }, { shape: [2, 4] }],
    },
    {
      name: 'wide rows, constant scale',
      attributes: { axis: int(-1) },
      inputs: [
        { shape: [3, 20] },
        floatTensor(
          Array.from({ length: 20 }, (_, index) => 1 - index / 10),
          [20],
          'float64',
        ),
      ],
    },
    {
      name: 'with the mean and the deviation',
      attributes: { axis: int(1), epsilon: { kind: 'float', value: 0.1 } },
      inputs: [
        { shape: [2, 3, 2], dtype: 'float32' },
        { shape: [3, 2], dtype: 'float32' },
        { shape: [3, 2], dtype: 'float32' },
      ],
      outputs: 3,
    },
  ],
};

const instanceNormalization: OpRule = {
  op: 'InstanceNormalization',
  vjp: instanceVjp,
  linearity,
  examples: [
    {
      name: 'maps',
      inputs: [
        { shape: [2, 3, 2, 3], dtype: 'float32', range: [-4, 4] },
        { shape: [3], dtype: 'float32' },
        { shape: [3], dtype: 'float32' },
      ],
    },
    {
      name: 'wide rows, constant scale',
      attributes: { epsilon: { kind: 'float', value: 0.1 } },
      inputs: [
        { shape: [2, 2, 18], dtype: 'float32', range: [-4, 4] },
        floatTensor([0.5, -2], [2]),
        floatTensor([0, 1], [2]),
      ],
    },
  ],
};

/** In the table's order. */
export const NORMALIZATION_RULES: readonly OpRule[] = [
  layerNormalization,
  instanceNormalization,
  localResponse,
];
