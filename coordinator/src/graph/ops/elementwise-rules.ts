// Elementwise ops: arithmetic, activations, selection; with numpy broadcasting.
import { floatAttribute, int } from '../attributes.js';
import { boolTensor, floatTensor, intTensor } from '../tensor.js';
import type { Linearity, LinearityOf, OpExample, OpRule, Vjp, VjpContext } from './op-rule.js';
import {
  asMask,
  input,
  number,
  ONNX_DOUBLE,
  ONNX_FLOAT,
  output,
  pointwise,
  single,
  widthOf,
} from './pointwise.js';

const bilinear: LinearityOf = (_node, varies) =>
  varies.filter(Boolean).length > 1 ? 'smooth' : 'linear';
const x = (range: readonly [number, number], name = 'plain'): OpExample => ({
  name,
  inputs: [{ shape: [3, 4], range }],
});
const away: readonly [number, number] = [0.2, 1.5];
const below: readonly [number, number] = [-1.5, -0.2];
const pair = (
  name: string,
  a: readonly number[],
  b: readonly number[],
  range: readonly [number, number] = [-1, 1],
): OpExample => ({
  name,
  inputs: [
    { shape: a, range },
    { shape: b, range },
  ],
});
const broadcasting = (range?: readonly [number, number]): OpExample[] => [
  pair('same shape', [3, 4], [3, 4], range),
  pair('both broadcast', [3, 1, 2], [4, 1], range),
  pair('scalar', [3, 4], [], range),
];

/** A rule of two broadcast inputs; each side gives the cotangent at the output's shape. */
function binary(
  op: string,
  left: (c: VjpContext, g: string) => string,
  right: (c: VjpContext, g: string) => string,
  linearity: Linearity | LinearityOf,
  examples: readonly OpExample[],
): OpRule {
  const vjp: Vjp = (context, [g]) =>
    g === undefined
      ? []
      : [
          context.wants(0) ? left(context, g) : undefined,
          context.wants(1) ? right(context, g) : undefined,
        ];
  return { op, vjp, linearity, broadcasts: true, examples };
}

const add = binary(
  'Add',
  (_c, g) => g,
  (_c, g) => g,
  'linear',
  broadcasting(),
);
const sub = binary(
  'Sub',
  (_c, g) => g,
  (c, g) => c.build.emit('Neg', [g]),
  'linear',
  broadcasting(),
);
const mul = binary(
  'Mul',
  (c, g) => c.build.scaled(g, input(c, 1)),
  (c, g) => c.build.scaled(g, input(c, 0)),
  bilinear,
  broadcasting(),
);
const div = binary(
  'Div',
  (c, g) => c.build.emit('Div', [g, input(c, 1)]),
  (c, g) =>
    c.build.emit('Neg', [c.build.emit('Mul', [g, c.build.emit('Div', [output(c), input(c, 1)])])]),
  (_node, [, divisor]) => (divisor === true ? 'smooth' : 'linear'),
  broadcasting([0.5, 2]),
);
/** The derivative to the exponent needs a base that is not negative; at 0 it is 0, as in PyTorch. */
const pow = binary(
  'Pow',
  (c, g) => {
    const width = widthOf(c, input(c, 0));
    // The exponent may be of another type, an integer's too.
    const exponent =
      c.type(input(c, 1)).dtype === width ? input(c, 1) : asMask(c, input(c, 1), input(c, 0));
    const less = c.build.emit('Sub', [exponent, number(c, 1)]);
    const slope = c.build.emit('Mul', [exponent, c.build.emit('Pow', [input(c, 0), less])]);
    return c.build.emit('Mul', [g, slope]);
  },
  (c, g) => {
    const isZero = c.build.emit('Equal', [input(c, 0), number(c, 0)]);
    const base = c.build.emit('Where', [isZero, number(c, 1), input(c, 0)]);
    return c.build.emit('Mul', [g, c.build.emit('Mul', [output(c), c.build.emit('Log', [base])])]);
  },
  'smooth',
  [
    ...broadcasting([0.5, 2]),
    {
      name: 'constant exponent',
      inputs: [{ shape: [3, 4], range: [0.5, 2] }, floatTensor([3], [], 'float64')],
    },
    {
      name: 'integers as exponents',
      inputs: [{ shape: [2, 3], range: [0.5, 2] }, intTensor([2, -1, 3])],
    },
  ],
);

const neg: OpRule = {
  op: 'Neg',
  vjp: (c, [g]) => (g === undefined ? [] : [c.build.emit('Neg', [g])]),
  linearity: 'linear',
  examples: [x([-1, 1])],
};
const identity: OpRule = {
  op: 'Identity',
  vjp: (_c, [g]) => [g],
  linearity: 'linear',
  examples: [x([-1, 1])],
};
/** The derivative at 0 is 0, as in PyTorch. */
const relu = pointwise(
  'Relu',
  (c, v) => asMask(c, c.build.emit('Greater', [v, number(c, 0)]), v),
  'piecewise-linear',
  [x(away), x(below, 'negative')],
);
const abs = pointwise('Abs', (c, v) => c.build.emit('Sign', [v]), 'piecewise-linear', [
  x(away),
  x(below, 'negative'),
]);
/** The derivative at 0 is alpha, as in PyTorch. */
const leakyRelu = pointwise(
  'LeakyRelu',
  (c, v) => {
    const alpha = floatAttribute(c.node, 'alpha', 0.01);
    return c.build.emit('Where', [
      c.build.emit('Greater', [v, number(c, 0)]),
      number(c, 1),
      number(c, alpha),
    ]);
  },
  'piecewise-linear',
  [
    single(away),
    { ...single(below, 'negative'), attributes: { alpha: { kind: 'float', value: 0.25 } } },
  ],
);
const prelu: OpRule = {
  op: 'PRelu',
  broadcasts: true,
  vjp: (c, [g]) => {
    if (g === undefined) return [];
    const positive = c.build.emit('Greater', [input(c, 0), number(c, 0)]);
    const slope = (a: string, b: string) =>
      c.build.scaled(g, c.build.emit('Where', [positive, a, b]));
    return [
      c.wants(0) ? slope(number(c, 1), input(c, 1)) : undefined,
      c.wants(1) ? slope(number(c, 0), input(c, 0)) : undefined,
    ];
  },
  linearity: (_node, [, slope]) => (slope === true ? 'smooth' : 'piecewise-linear'),
  examples: [
    { name: 'positive', inputs: [...single(away).inputs, { shape: [4], dtype: 'float32' }] },
    { name: 'negative', inputs: [...single(below).inputs, { shape: [4], dtype: 'float32' }] },
  ],
};
/** The bounds themselves count as inside, as in PyTorch's clamp. */
const clip: OpRule = {
  op: 'Clip',
  vjp: (c, [g]) => {
    if (g === undefined) return [];
    const [v, low, high] = [input(c, 0), input(c, 1), input(c, 2)];
    const all = (...tests: readonly string[]) => {
      const [first, ...rest] = tests;
      if (first === undefined) return g;
      const both = rest.reduce((a, b) => c.build.emit('And', [a, b]), first);
      return c.build.scaled(g, asMask(c, both, v));
    };
    const test = (op: string, a: string, b: string) =>
      a === '' || b === '' ? [] : [c.build.emit(op, [a, b])];
    const raised = () => (low === '' ? v : c.build.emit('Max', [v, low]));
    return [
      c.wants(0)
        ? all(...test('GreaterOrEqual', v, low), ...test('LessOrEqual', v, high))
        : undefined,
      c.wants(1) ? all(...test('Less', v, low), ...test('LessOrEqual', low, high)) : undefined,
      c.wants(2) ? all(...test('Greater', raised(), high)) : undefined,
    ];
  },
  broadcasts: true,
  linearity: 'piecewise-linear',
  upgrade: (node, _opset, context) => {
    if (node.attributes.min === undefined && node.attributes.max === undefined) return [node];
    const bound = (name: string) =>
      node.attributes[name] === undefined
        ? ''
        : context.constant(floatTensor([floatAttribute(node, name, 0)], []));
    const { min: _min, max: _max, ...attributes } = node.attributes;
    return [{ ...node, inputs: [node.inputs[0] ?? '', bound('min'), bound('max')], attributes }];
  },
  examples: [
    {
      name: 'inside',
      inputs: [
        { shape: [3, 4], range: [-0.9, 0.9] },
        floatTensor([-1], [], 'float64'),
        floatTensor([1], [], 'float64'),
      ],
    },
    {
      name: 'beyond a bound',
      inputs: [{ shape: [3, 4], range: [1.1, 2] }, undefined, floatTensor([1], [], 'float64')],
    },
    {
      name: 'above varying bounds',
      inputs: [
        { shape: [3, 4], range: [1.1, 2] },
        { shape: [], range: [-0.5, 0] },
        { shape: [], range: [0.5, 1] },
      ],
    },
    {
      name: 'below varying bounds',
      inputs: [
        { shape: [3, 4], range: [-2, -1.1] },
        { shape: [], range: [-0.5, 0] },
        { shape: [], range: [0.5, 1] },
      ],
    },
    {
      name: 'bounds that cross',
      inputs: [
        { shape: [3, 4], range: [-2, 2] },
        { shape: [], range: [0.5, 1] },
        { shape: [], range: [-0.5, 0] },
      ],
    },
  ],
};

const sigmoid = pointwise(
  'Sigmoid',
  (c, _v, y) => c.build.emit('Mul', [y, c.build.emit('Sub', [number(c, 1), y])]),
  'smooth',
  [x([-2, 2])],
);
const tanh = pointwise(
  'Tanh',
  (c, _v, y) => c.build.emit('Sub', [number(c, 1), c.build.emit('Mul', [y, y])]),
  'smooth',
  [x([-2, 2])],
);
const exp = pointwise('Exp', (_c, _v, y) => y, 'smooth', [x([-1, 1])]);
const log = pointwise('Log', (c, v) => c.build.emit('Reciprocal', [v]), 'smooth', [x(away)]);
const sqrt = pointwise('Sqrt', (c, _v, y) => c.build.emit('Div', [number(c, 0.5), y]), 'smooth', [
  x(away),
]);
const reciprocal = pointwise(
  'Reciprocal',
  (c, _v, y) => c.build.emit('Neg', [c.build.emit('Mul', [y, y])]),
  'smooth',
  [x([0.5, 2])],
);
const softplus = pointwise('Softplus', (c, v) => c.build.emit('Sigmoid', [v]), 'smooth', [
  single([-2, 2]),
]);
const erf = pointwise(
  'Erf',
  (c, v) =>
    c.build.emit('Mul', [
      c.build.emit('Exp', [c.build.emit('Neg', [c.build.emit('Mul', [v, v])])]),
      number(c, 2 / Math.sqrt(Math.PI)),
    ]),
  'smooth',
  [single([-2, 2])],
);

const sum: OpRule = {
  op: 'Sum',
  broadcasts: true,
  vjp: (c, [g]) => c.node.inputs.map((_, index) => (c.wants(index) ? g : undefined)),
  linearity: 'linear',
  examples: [
    { name: 'three', inputs: [{ shape: [3, 4] }, { shape: [4] }, { shape: [3, 1] }] },
    { name: 'one', inputs: [{ shape: [3] }] },
  ],
};
const mean: OpRule = {
  op: 'Mean',
  broadcasts: true,
  vjp: (c, [g]) => {
    if (g === undefined) return [];
    const share = c.build.emit('Mul', [g, number(c, 1 / c.node.inputs.length)]);
    return c.node.inputs.map((_, index) => (c.wants(index) ? share : undefined));
  },
  linearity: 'linear',
  examples: [
    {
      name: 'three',
      inputs: [[3, 4], [4], [3, 1]].map((shape) => ({ shape, dtype: 'float32' })),
    },
  ],
};
/** Equal extremes share the cotangent evenly, as PyTorch's maximum does. */
function extreme(op: 'Max' | 'Min'): OpRule {
  return {
    op,
    broadcasts: true,
    vjp: (c, [g]) => {
      if (g === undefined) return [];
      const masks = c.node.inputs.map((value) =>
        asMask(c, c.build.emit('Equal', [value, output(c)]), output(c)),
      );
      const ties = c.build.emit('Sum', masks);
      const share = c.build.emit('Div', [g, ties]);
      return masks.map((mask, index) =>
        c.wants(index) ? c.build.emit('Mul', [share, mask]) : undefined,
      );
    },
    linearity: 'piecewise-linear',
    examples: [
      {
        name: 'two',
        inputs: [
          { shape: [3, 4], range: [-1, 0] },
          { shape: [4], range: [0.2, 1] },
        ],
      },
      {
        name: 'three',
        inputs: [
          { shape: [3, 4], range: [0.3, 1] },
          { shape: [4], range: [-1, 0] },
          { shape: [3, 1], range: [1.2, 2] },
        ],
      },
    ],
  };
}
const where: OpRule = {
  op: 'Where',
  broadcasts: true,
  vjp: (c, [g]) => {
    if (g === undefined) return [];
    const zero = number(c, 0);
    return [
      undefined,
      c.wants(1) ? c.build.emit('Where', [input(c, 0), g, zero]) : undefined,
      c.wants(2) ? c.build.emit('Where', [input(c, 0), zero, g]) : undefined,
    ];
  },
  linearity: (_node, [condition]) => (condition === true ? 'piecewise-linear' : 'linear'),
  examples: [
    {
      name: 'broadcast',
      inputs: [boolTensor([true, false, true, false], [4]), { shape: [3, 4] }, { shape: [3, 1] }],
    },
  ],
};
/** Casts between floating-point types pull the cotangent back into the input's type; others carry none. */
const cast: OpRule = {
  op: 'Cast',
  vjp: (c, [g]) => {
    if (g === undefined) return [];
    const { dtype } = c.type(input(c, 0));
    if (dtype !== 'float32' && dtype !== 'float64') return [undefined];
    return [c.build.emit('Cast', [g], { to: int(dtype === 'float64' ? ONNX_DOUBLE : ONNX_FLOAT) })];
  },
  linearity: 'linear',
  examples: [
    {
      name: 'to float',
      attributes: { to: int(ONNX_FLOAT) },
      inputs: [{ shape: [3, 4], dtype: 'float64' }],
    },
  ],
};

/** Floats need fmod = 1: a - b trunc(a / b). Between multiples of b the quotient stays. */
const mod = binary(
  'Mod',
  (_c, g) => g,
  (c, g) => {
    const multiple = c.build.emit('Sub', [output(c), input(c, 0)]);
    return c.build.scaled(g, c.build.emit('Div', [multiple, input(c, 1)]));
  },
  'piecewise-linear',
  [
    {
      name: 'floats',
      attributes: { fmod: int(1) },
      inputs: [
        { shape: [3, 4], range: [-1.9, -1.1] },
        { shape: [4], range: [0.7, 0.9] },
      ],
    },
  ],
);

/** Elementwise ops, in the table's order. */
export const ELEMENTWISE_RULES: readonly OpRule[] = [
  add,
  sub,
  mul,
  div,
  pow,
  neg,
  identity,
  relu,
  abs,
  leakyRelu,
  prelu,
  clip,
  sigmoid,
  tanh,
  exp,
  log,
  sqrt,
  reciprocal,
  softplus,
  erf,
  sum,
  mean,
  extreme('Max'),
  extreme('Min'),
  where,
  cast,
  mod,
];
