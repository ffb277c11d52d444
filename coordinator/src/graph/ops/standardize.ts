// Rows shifted to mean 0 and scaled to variance 1, and the pull-back of that.
import type { GraphBuilder } from '../builder.js';
import { type Rows, rowMeans } from './row-sums.js';

/** Rows of size D at their own mean and variance. */
export interface Standardized {
  /** (x - mean) / sqrt(variance + epsilon), [rows, D]. */
  readonly value: string;
  /** 1 / sqrt(variance + epsilon), broadcasts to [rows, D]. */
  readonly inverse: string;
  readonly rows: Omit<Rows, 'axis'>;
}

/**
 * Standardises each row by itself; the variance is the mean of squares, over D.
 * @param x [rows, D]
 */
export function standardized(
  build: GraphBuilder,
  x: string,
  epsilon: number,
  rows: Omit<Rows, 'axis'>,
): Standardized {
  const along = { ...rows, axis: 1 };
  const centred = build.emit('Sub', [x, rowMeans(build, x, along)]);
  const variance = rowMeans(build, build.emit('Mul', [centred, centred]), along);
  const shifted = build.emit('Add', [variance, build.scalar(epsilon, rows.dtype)]);
  const inverse = build.emit('Reciprocal', [build.emit('Sqrt', [shifted])]);
  return { value: build.emit('Mul', [centred, inverse]), inverse, rows };
}

/**
 * The cotangent of x: what remains of g after its projections on 1 and on the standardised row.
 * @param g the cotangent of the standardised value, [C, rows, D]
 * @returns [C, rows, D]
 */
export function standardizedCotangent(
  build: GraphBuilder,
  { value, inverse, rows }: Standardized,
  g: string,
): string {
  const along = { ...rows, axis: 2 };
  const projection = rowMeans(build, build.emit('Mul', [g, value]), along);
  const centred = build.emit('Sub', [g, rowMeans(build, g, along)]);
  const rest = build.emit('Sub', [centred, build.emit('Mul', [projection, value])]);
  return build.emit('Mul', [rest, inverse]);
}
