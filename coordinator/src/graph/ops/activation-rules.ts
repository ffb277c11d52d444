// Activations that ONNX has as single ops beside the plain ones: Gelu, Elu and their relatives.
import { floatAttribute, stringAttribute } from '../attributes.js';
import type { OpExample, OpRule, VjpContext } from './op-rule.js';
import { asMask, number, pointwise, single } from './pointwise.js';

/** Ranges on one side of the kink at 0, for functions whose curvature jumps there. */
const POSITIVE = single([0.2, 1.5], 'positive');
const NEGATIVE = single([-1.5, -0.2], 'negative');

const withAttribute = (example: OpExample, attribute: string, value: number): OpExample => ({
  ...example,
  attributes: { [attribute]: { kind: 'float', value } },
});

/** Where(x > 0, above, below). */
function bySign(c: VjpContext, x: string, above: string, below: string): string {
  return c.build.emit('Where', [c.build.emit('Greater', [x, number(c, 0)]), above, below]);
}

/** Gelu 20: x Phi(x), derivative Phi(x) + x phi(x); or the tanh approximation of Phi. */
const gelu = pointwise(
  'Gelu',
  (c, x) =>
    stringAttribute(c.node, 'approximate', 'none') === 'tanh'
      ? geluTanhDerivative(c, x)
      : geluDerivative(c, x),
  'smooth',
  [
    single([-2, 2]),
    {
      ...single([-2, 2], 'tanh'),
      attributes: { approximate: { kind: 'string', value: 'tanh' } },
    },
  ],
);

function geluDerivative(c: VjpContext, x: string): string {
  const { build: b } = c;
  const erf = b.emit('Erf', [b.emit('Mul', [x, number(c, Math.SQRT1_2)])]);
  const cumulative = b.emit('Mul', [b.emit('Add', [erf, number(c, 1)]), number(c, 0.5)]);
  const exponent = b.emit('Mul', [b.emit('Mul', [x, x]), number(c, -0.5)]);
  const density = b.emit('Mul', [b.emit('Exp', [exponent]), number(c, 1 / Math.sqrt(2 * Math.PI))]);
  return b.emit('Add', [cumulative, b.emit('Mul', [x, density])]);
}

/** Of x (1 + t) / 2, t = tanh(s (x + k x^3)). */
function geluTanhDerivative(c: VjpContext, x: string): string {
  const { build: b } = c;
  const cubic = 0.044715;
  const root = Math.sqrt(2 / Math.PI);
  const squared = b.emit('Mul', [x, x]);
  const one = number(c, 1);
  const polynomial = (factor: number) =>
    b.emit('Mul', [
      b.emit('Add', [one, b.emit('Mul', [squared, number(c, factor)])]),
      number(c, root),
    ]);
  const t = b.emit('Tanh', [b.emit('Mul', [x, polynomial(cubic)])]);
  const slope = b.emit('Mul', [b.emit('Sub', [one, b.emit('Mul', [t, t])]), polynomial(3 * cubic)]);
  const twice = b.emit('Add', [b.emit('Add', [one, t]), b.emit('Mul', [x, slope])]);
  return b.emit('Mul', [twice, number(c, 0.5)]);
}

/** Elu 6: alpha (exp(x) - 1) below 0, where the derivative is y + alpha. */
const elu = pointwise(
  'Elu',
  (c, x, y) => {
    const alpha = number(c, floatAttribute(c.node, 'alpha', 1));
    return bySign(c, x, number(c, 1), c.build.emit('Add', [y, alpha]));
  },
  'smooth',
  [POSITIVE, NEGATIVE, withAttribute({ ...NEGATIVE, name: 'alpha' }, 'alpha', 0.5)],
);

/** Selu 6: gamma times Elu. */
const selu = pointwise(
  'Selu',
  (c, x, y) => {
    const alpha = floatAttribute(c.node, 'alpha', 1.6732631921768188);
    const gamma = floatAttribute(c.node, 'gamma', 1.0507010221481323);
    return bySign(c, x, number(c, gamma), c.build.emit('Add', [y, number(c, alpha * gamma)]));
  },
  'smooth',
  [POSITIVE, NEGATIVE],
);

/** Celu 12: alpha (exp(x / alpha) - 1) below 0, where the derivative is y / alpha + 1. */
const celu = pointwise(
  'Celu',
  (c, x, y) => {
    const one = number(c, 1);
    const scale = number(c, 1 / floatAttribute(c.node, 'alpha', 1));
    return bySign(c, x, one, c.build.emit('Add', [c.build.emit('Mul', [y, scale]), one]));
  },
  'smooth',
  [POSITIVE, NEGATIVE, withAttribute({ ...NEGATIVE, name: 'alpha' }, 'alpha', 0.5)],
);

/** HardSigmoid 6: alpha x + beta clipped to [0, 1]. */
const hardSigmoid = pointwise(
  'HardSigmoid',
  (c, _x, y) => {
    const inside = c.build.emit('And', [
      c.build.emit('Greater', [y, number(c, 0)]),
      c.build.emit('Less', [y, number(c, 1)]),
    ]);
    const slope = number(c, floatAttribute(c.node, 'alpha', 0.2));
    return c.build.emit('Where', [inside, slope, number(c, 0)]);
  },
  'piecewise-linear',
  [
    single([-2, 2], 'inside'),
    single([2.7, 4], 'beyond'),
    withAttribute(single([-2, 2], 'slope'), 'alpha', 1 / 6),
  ],
);

/** HardSwish 14: x HardSigmoid(x; 1/6, 1/2), derivative x / 3 + 1/2 between -3 and 3. */
const hardSwish = pointwise(
  'HardSwish',
  (c, x) => {
    const { build: b } = c;
    const middle = b.emit('Add', [b.emit('Mul', [x, number(c, 1 / 3)]), number(c, 0.5)]);
    const upper = b.emit('Where', [b.emit('Less', [x, number(c, 3)]), middle, number(c, 1)]);
    return b.emit('Where', [b.emit('Greater', [x, number(c, -3)]), upper, number(c, 0)]);
  },
  'smooth',
  [single([-2.5, 2.5], 'inside'), single([3.2, 5], 'above'), single([-5, -3.2], 'below')],
);

/** Mish 18: x tanh(softplus(x)). */
const mish = pointwise(
  'Mish',
  (c, x) => {
    const { build: b } = c;
    const t = b.emit('Tanh', [b.emit('Softplus', [x])]);
    const slope = b.emit('Mul', [
      b.emit('Sub', [number(c, 1), b.emit('Mul', [t, t])]),
      b.emit('Sigmoid', [x]),
    ]);
    return b.emit('Add', [t, b.emit('Mul', [x, slope])]);
  },
  'smooth',
  [single([-2, 2])],
);

/** Softsign 1: x / (1 + |x|), derivative 1 / (1 + |x|)^2. */
const softsign = pointwise(
  'Softsign',
  (c, x) => {
    const { build: b } = c;
    const inverse = b.emit('Reciprocal', [b.emit('Add', [b.emit('Abs', [x]), number(c, 1)])]);
    return b.emit('Mul', [inverse, inverse]);
  },
  'smooth',
  [POSITIVE, NEGATIVE],
);

/** ThresholdedRelu 10: x above alpha, else 0. */
const thresholdedRelu = pointwise(
  'ThresholdedRelu',
  (c, x) =>
    c.build.emit('Where', [
      c.build.emit('Greater', [x, number(c, floatAttribute(c.node, 'alpha', 1))]),
      number(c, 1),
      number(c, 0),
    ]),
  'piecewise-linear',
  [single([1.2, 2], 'above'), single([-1, 0.8], 'below')],
);

/** Shrink 9: towards 0 by the bias beyond lambd, 0 within. */
const shrink = pointwise(
  'Shrink',
  (c, x) => {
    const size = c.build.emit('Abs', [x]);
    const beyond = c.build.emit('Greater', [size, number(c, floatAttribute(c.node, 'lambd', 0.5))]);
    return asMask(c, beyond, x);
  },
  'piecewise-linear',
  [
    withAttribute(single([0.7, 2], 'above'), 'bias', 0.25),
    withAttribute(single([-2, -1.2], 'below'), 'lambd', 1),
    single([-0.4, 0.4], 'within'),
  ],
);

/** Activations beyond Relu, Sigmoid and Tanh, in the table's order. */
export const ACTIVATION_RULES: readonly OpRule[] = [
  gelu,
  elu,
  selu,
  celu,
  hardSigmoid,
  hardSwish,
  mish,
  softsign,
  thresholdedRelu,
  shrink,
];
