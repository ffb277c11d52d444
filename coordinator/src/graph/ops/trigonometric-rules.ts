// Sine, cosine and their relatives.
import type { OpRule, VjpContext } from './op-rule.js';
import { number, pointwise, single } from './pointwise.js';

const squared = (c: VjpContext, v: string) => c.build.emit('Mul', [v, v]);
const onePlus = (c: VjpContext, v: string) => c.build.emit('Add', [number(c, 1), v]);
const oneMinus = (c: VjpContext, v: string) => c.build.emit('Sub', [number(c, 1), v]);
const negative = (c: VjpContext, v: string) => c.build.emit('Neg', [v]);
const inverse = (c: VjpContext, v: string) => c.build.emit('Reciprocal', [v]);
const root = (c: VjpContext, v: string) => c.build.emit('Sqrt', [v]);

/** f and its derivative f'(x, f(x)), on a range where f is smooth. */
function smooth(
  op: string,
  derivative: (c: VjpContext, x: string, y: string) => string,
  range: readonly [number, number] = [-1, 1],
): OpRule {
  return pointwise(op, derivative, 'smooth', [single(range)]);
}

/** Trigonometric and hyperbolic functions and their inverses, in the table's order. */
export const TRIGONOMETRIC_RULES: readonly OpRule[] = [
  smooth('Sin', (c, x) => c.build.emit('Cos', [x])),
  smooth('Cos', (c, x) => negative(c, c.build.emit('Sin', [x]))),
  smooth('Tan', (c, _x, y) => onePlus(c, squared(c, y))),
  smooth('Asin', (c, x) => inverse(c, root(c, oneMinus(c, squared(c, x)))), [-0.5, 0.5]),
  smooth(
    'Acos',
    (c, x) => negative(c, inverse(c, root(c, oneMinus(c, squared(c, x))))),
    [-0.5, 0.5],
  ),
  smooth('Atan', (c, x) => inverse(c, onePlus(c, squared(c, x)))),
  smooth('Sinh', (c, x) => c.build.emit('Cosh', [x])),
  smooth('Cosh', (c, x) => c.build.emit('Sinh', [x])),
  smooth('Asinh', (c, x) => inverse(c, root(c, onePlus(c, squared(c, x))))),
  smooth(
    'Acosh',
    (c, x) => inverse(c, root(c, c.build.emit('Sub', [squared(c, x), number(c, 1)]))),
    [2, 4],
  ),
  smooth('Atanh', (c, x) => inverse(c, oneMinus(c, squared(c, x))), [-0.5, 0.5]),
];
