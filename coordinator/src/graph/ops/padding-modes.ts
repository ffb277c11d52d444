// Pull-back of padding by copies: every element of the output is one of the input.
import { elementCount } from '../graph.js';
import { at } from '../window.js';
import { scatteredRows } from './indexed-rows.js';
import type { VjpContext } from './op-rule.js';
import { input, widthOf } from './pointwise.js';

/** Where element `position` of the output, counted from the first of the input, is taken from. */
const SOURCES: Readonly<Record<string, (position: number, size: number) => number>> = {
  edge: (position, size) => Math.min(Math.max(position, 0), size - 1),
  wrap: (position, size) => ((position % size) + size) % size,
  reflect: (position, size) => {
    if (size === 1) return 0;
    const period = 2 * (size - 1);
    const within = ((position % period) + period) % period;
    return Math.min(within, period - within);
  },
};

/**
 * The input's cotangent for a mode in which elements are copied; undefined for other modes.
 * @param before how many elements are added in front of each axis
 */
export function copiedPadding(
  c: VjpContext,
  g: string,
  mode: string,
  before: readonly number[],
): string | undefined {
  const source = SOURCES[mode];
  if (source === undefined) return undefined;
  const { build, columns, type, node } = c;
  const from = type(input(c, 0)).shape;
  const to = type(node.outputs[0] ?? '').shape;
  let pulled = g;
  from.forEach((size, axis) => {
    const count = at(to, axis);
    if (size === count && before[axis] === 0) return;
    const sources = Array.from({ length: count }, (_, position) =>
      source(position - (before[axis] ?? 0), size),
    );
    const rows = {
      before: columns * elementCount(from.slice(0, axis)),
      size,
      after: elementCount(to.slice(axis + 1)),
      count,
      dtype: widthOf(c, input(c, 0)),
    };
    const flat = build.reshape(pulled, [rows.before, count, rows.after]);
    const summed = scatteredRows(build, flat, build.ints(sources), rows);
    pulled = build.reshape(summed, [columns, ...from.slice(0, axis + 1), ...to.slice(axis + 1)]);
  });
  return pulled;
}
