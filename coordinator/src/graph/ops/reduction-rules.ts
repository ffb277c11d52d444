// Reductions over some or all axes: sums, means, extremes, norms, products.
import { int, intAttribute } from '../attributes.js';
import { intTensor } from '../tensor.js';
import { attributeToInput } from './attribute-to-input.js';
import { constantNumbers } from './constant-input.js';
import type { Linearity, OpExample, OpRule, VjpContext } from './op-rule.js';
import { asMask, input, number, output } from './pointwise.js';

const first = (c: VjpContext) => c.type(input(c, 0)).shape;

/** The reduced axes, counted from the front. */
function reducedAxes(c: VjpContext): readonly number[] {
  const rank = first(c).length;
  const axes = constantNumbers(c, 1);
  if (axes !== undefined && axes.length > 0)
    return axes.map((axis) => (axis < 0 ? axis + rank : axis));
  return intAttribute(c.node, 'noop_with_empty_axes', 0) === 1
    ? []
    : Array.from({ length: rank }, (_, axis) => axis);
}

/** The output in the input's rank: reduced axes of size 1. */
function unitShape(c: VjpContext): readonly number[] {
  const axes = reducedAxes(c);
  return first(c).map((size, axis) => (axes.includes(axis) ? 1 : size));
}

/** Along the reduced axes the cotangent is the same everywhere. */
function spread(c: VjpContext, g: string): string {
  return c.build.emit('Expand', [g, c.build.ints([c.columns, ...first(c)])]);
}

const EXAMPLES: readonly OpExample[] = [
  {
    name: 'negative axis, dropped',
    attributes: { keepdims: int(0) },
    inputs: [{ shape: [3, 4, 2], distinct: true }, intTensor([-2])],
  },
  {
    name: 'all axes',
    attributes: { keepdims: int(1) },
    inputs: [{ shape: [3, 4], distinct: true }],
  },
];

/**
 * @param derivative the input's cotangent from the output's, [C, ...unit shape], and from the output
 *   in its unit shape
 */
function reduction(
  op: string,
  derivative: (c: VjpContext, g: string, y: string) => string,
  linearity: Linearity,
  examples = EXAMPLES,
): OpRule {
  return {
    op,
    vjp: (c, [g]) => {
      if (g === undefined || !c.wants(0)) return [];
      const unit = unitShape(c);
      const y = c.build.reshape(output(c), unit);
      return [derivative(c, c.build.reshape(g, [c.columns, ...unit]), y)];
    },
    linearity,
    upgrade: attributeToInput('axes'),
    examples,
  };
}

const reduceSum = reduction('ReduceSum', spread, 'linear');

const reduceMean = reduction(
  'ReduceMean',
  (c, g) => {
    const shape = first(c);
    const count = reducedAxes(c).reduce((product, axis) => product * (shape[axis] ?? 1), 1);
    return spread(c, c.build.emit('Mul', [g, number(c, 1 / count)]));
  },
  'linear',
);

/** Equal extremes share the cotangent evenly, as PyTorch's amax does. */
function reduceExtreme(op: 'ReduceMax' | 'ReduceMin'): OpRule {
  return reduction(
    op,
    (c, g, y) => {
      const mask = asMask(c, c.build.emit('Equal', [input(c, 0), y]), input(c, 0));
      const ties = c.build.emit('ReduceSum', [mask, c.build.ints(reducedAxes(c))], {
        keepdims: int(1),
      });
      return c.build.emit('Mul', [g, c.build.emit('Div', [mask, ties])]);
    },
    'piecewise-linear',
  );
}

const reduceL1 = reduction(
  'ReduceL1',
  (c, g) => c.build.emit('Mul', [g, c.build.emit('Sign', [input(c, 0)])]),
  'piecewise-linear',
);

/** x / |x|; 0 where all elements are 0, as in PyTorch. */
const reduceL2 = reduction(
  'ReduceL2',
  (c, g, y) => {
    const none = c.build.emit('Equal', [y, number(c, 0)]);
    const norm = c.build.emit('Where', [none, number(c, 1), y]);
    return c.build.emit('Mul', [g, c.build.emit('Div', [input(c, 0), norm])]);
  },
  'smooth',
);

const reduceSumSquare = reduction(
  'ReduceSumSquare',
  (c, g) => c.build.emit('Mul', [g, c.build.emit('Mul', [input(c, 0), number(c, 2)])]),
  'smooth',
);

const reduceLogSum = reduction(
  'ReduceLogSum',
  (c, g, y) => spread(c, c.build.emit('Mul', [g, c.build.emit('Exp', [c.build.emit('Neg', [y])])])),
  'smooth',
  EXAMPLES.map((example) => ({
    ...example,
    inputs: example.inputs.map((given, index) =>
      index === 0 ? { shape: [3, 4, 2], range: [0.2, 1.5] as const } : given,
    ),
  })),
);

const reduceLogSumExp = reduction(
  'ReduceLogSumExp',
  (c, g, y) =>
    c.build.emit('Mul', [g, c.build.emit('Exp', [c.build.emit('Sub', [input(c, 0), y])])]),
  'smooth',
);

/**
 * The product of the others: y / x, or, where exactly one element is 0, the product of the rest
 * there and 0 elsewhere. (The second derivative between two elements of which one is 0 is lost.)
 */
const reduceProd = reduction(
  'ReduceProd',
  (c, g) => {
    const { build: b } = c;
    const [x, axes] = [input(c, 0), b.ints(reducedAxes(c))];
    const isZero = b.emit('Equal', [x, number(c, 0)]);
    const zeros = b.emit('ReduceSum', [asMask(c, isZero, x), axes], { keepdims: int(1) });
    const others = b.emit('Where', [isZero, number(c, 1), x]);
    const product = b.emit('Div', [
      b.emit('ReduceProd', [others, axes], { keepdims: int(1) }),
      others,
    ]);
    const wanted = b.emit('Equal', [zeros, asMask(c, isZero, x)]);
    return b.emit('Mul', [g, b.emit('Where', [wanted, product, number(c, 0)])]);
  },
  'smooth',
);

/** Reductions, in the table's order. */
export const REDUCTION_RULES: readonly OpRule[] = [
  reduceSum,
  reduceMean,
  reduceExtreme('ReduceMax'),
  reduceExtreme('ReduceMin'),
  reduceL1,
  reduceL2,
  reduceSumSquare,
  reduceLogSum,
  reduceLogSumExp,
  reduceProd,
];
