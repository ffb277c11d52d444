// Derivatives of scatters that combine the data and the updates of an element: largest, smallest, product.
import { stringAttribute } from '../attributes.js';
import type { LinearityOf, VjpContext } from './op-rule.js';
import { asMask, input, number, output } from './pointwise.js';

/** How ScatterElements and ScatterND find elements; all but `picked` without the column axis. */
export interface Indexing {
  /** The elements of a value of the data's shape that the updates go to. */
  gather(value: string): string;
  /** `into` with updates, or values of their shape, added or multiplied. */
  scatter(into: string, updates: string, reduction: 'add' | 'mul'): string;
  /** As `gather`, of a cotangent. */
  picked(cotangent: string): string;
}

type Cotangents = readonly (string | undefined)[];

/** Of the data and the updates of an element those that are its extreme share its cotangent evenly. */
export function extremeVjp(c: VjpContext, g: string, indexing: Indexing): Cotangents {
  const { build } = c;
  const [data, updates, result] = [input(c, 0), input(c, 2), output(c)];
  const kept = asMask(c, build.emit('Equal', [data, result]), data);
  const taken = asMask(c, build.emit('Equal', [updates, indexing.gather(result)]), data);
  const ties = indexing.scatter(kept, taken, 'add');
  const share = build.scaled(
    g,
    build.emit('Reciprocal', [build.emit('Max', [ties, number(c, 1)])]),
  );
  return [
    c.wants(0) ? build.scaled(share, kept) : undefined,
    undefined,
    c.wants(2) ? build.scaled(indexing.picked(share), taken) : undefined,
  ];
}

/** The product of the others, whether or not one of them is 0. */
export function productVjp(c: VjpContext, g: string, indexing: Indexing): Cotangents {
  const { build } = c;
  const given = [input(c, 0), input(c, 2)] as const;
  const isZero = given.map((value) => build.emit('Equal', [value, number(c, 0)]));
  const zero = isZero.map((mask) => asMask(c, mask, given[0])) as [string, string];
  const nonzero = given.map((value, index) =>
    build.emit('Where', [isZero[index] ?? '', number(c, 1), value]),
  ) as [string, string];
  const zeros = indexing.scatter(...zero, 'add');
  const product = indexing.scatter(...nonzero, 'mul');
  const others = (index: 0 | 1, total: string, count: string) =>
    build.emit('Where', [
      build.emit('Equal', [count, zero[index]]),
      build.emit('Div', [total, nonzero[index]]),
      number(c, 0),
    ]);
  return [
    c.wants(0) ? build.scaled(g, others(0, product, zeros)) : undefined,
    undefined,
    c.wants(2)
      ? build.scaled(
          indexing.picked(g),
          others(1, indexing.gather(product), indexing.gather(zeros)),
        )
      : undefined,
  ];
}

/** Extremes bend, products of what varies curve; sums and overwriting are linear. */
export const scatterLinearity: LinearityOf = (node, varies) => {
  const reduction = stringAttribute(node, 'reduction', 'none');
  if (reduction === 'max' || reduction === 'min') return 'piecewise-linear';
  // Updates of one element multiply each other.
  return reduction === 'mul' && varies[2] === true ? 'smooth' : 'linear';
};
