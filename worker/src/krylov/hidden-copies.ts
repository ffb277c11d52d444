// Repeated eigenvalues of which a block Krylov space may not have found all copies.

import type { SpectrumOrder } from './projected-matrix.js';

/**
 * Whether an eigenvalue may have more copies than were found, and these copies would belong to the
 * wanted values. A Krylov space from `found` start vectors holds at most so many copies.
 * @param values the wanted ones, in `order`
 * @param found copies that can have been found
 * @param closeness values that differ by less count as equal
 */
export function hidesCopies(
  values: Float64Array,
  order: SpectrumOrder,
  found: number,
  closeness: number,
): boolean {
  if (order === 'ends') {
    const ends = [0, 1].map((end) => values.filter((_, i) => i % 2 === end));
    return ends.some((end) => hidesCopies(end, 'algebraic', found, closeness));
  }
  const last = values.at(-1) ?? 0;
  for (let i = 0; i + found < values.length; i++) {
    const [first, end] = [values[i] as number, values[i + found - 1] as number];
    // Further copies of the last value would not change which values are wanted.
    if (Math.abs(first - end) <= closeness && Math.abs(end - last) > closeness) return true;
  }
  return false;
}
