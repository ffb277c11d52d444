// LRN: every element divided by a power of the mean square over a window of channels.
import { floatAttribute, int, intAttribute } from '../attributes.js';
import { elementCount } from '../graph.js';
import { floatTensor } from '../tensor.js';
import { at } from '../window.js';
import type { OpRule, Vjp, VjpContext } from './op-rule.js';
import { input, output, widthOf } from './pointwise.js';

/**
 * y = x s^-beta, s = bias + alpha / size * W x^2, W the band matrix of the window. The cotangent is
 * g s^-beta - 2 alpha beta / size * x W^T(g y / s).
 */
const vjp: Vjp = (c, [g]) => {
  if (g === undefined || !c.wants(0)) return [];
  const { node, build, columns, type } = c;
  const { shape } = type(input(c, 0));
  const [n, channels, positions] = [at(shape, 0), at(shape, 1), elementCount(shape.slice(2))];
  const dtype = widthOf(c, input(c, 0));
  const size = intAttribute(node, 'size', 1);
  const alpha = floatAttribute(node, 'alpha', 1e-4) / size;
  const beta = floatAttribute(node, 'beta', 0.75);
  const number = (value: number) => build.scalar(value, dtype);
  const maps = [n, channels, positions];
  const x = build.reshape(input(c, 0), maps);
  const y = build.reshape(output(c), maps);
  const cotangent = build.reshape(g, [columns, ...maps]);
  const window = band(c, channels, size, alpha);
  const energy = build.emit('MatMul', [window, build.emit('Mul', [x, x])]);
  const s = build.emit('Add', [energy, number(floatAttribute(node, 'bias', 1))]);
  const direct = build.emit('Mul', [cotangent, build.emit('Pow', [s, number(-beta)])]);
  const shares = build.emit('Mul', [cotangent, build.emit('Div', [y, s])]);
  const transposed = build.emit('Transpose', [window], { perm: { kind: 'ints', value: [1, 0] } });
  const spread = build.emit('MatMul', [transposed, shares]);
  const slope = build.emit('Mul', [x, number(2 * beta)]);
  const pulled = build.emit('Sub', [direct, build.emit('Mul', [spread, slope])]);
  return [build.reshape(pulled, [columns, ...shape])];
};

/** [channels, channels]: alpha where the column's channel is in the row's window. */
function band(c: VjpContext, channels: number, size: number, alpha: number): string {
  const [before, after] = [Math.floor((size - 1) / 2), Math.ceil((size - 1) / 2)];
  const entries = Array.from({ length: channels }, (_, row) =>
    Array.from({ length: channels }, (_, column) =>
      column >= row - before && column <= row + after ? alpha : 0,
    ),
  );
  const tensor = floatTensor(entries.flat(), [channels, channels], widthOf(c, input(c, 0)));
  return c.build.constant(tensor);
}

export const localResponse: OpRule = {
  op: 'LRN',
  vjp,
  linearity: 'smooth',
  examples: [
    {
      name: 'window wider than the channels allow',
      attributes: { size: int(5), alpha: { kind: 'float', value: 0.5 } },
      inputs: [{ shape: [2, 5, 2, 3], dtype: 'float32' }],
    },
    {
      name: 'odd window',
      attributes: {
        size: int(3),
        alpha: { kind: 'float', value: 2 },
        beta: { kind: 'float', value: 0.5 },
        bias: { kind: 'float', value: 2 },
      },
      inputs: [{ shape: [2, 4, 1, 2], dtype: 'float32' }],
    },
  ],
};
