// Whether the largest eigenvalues stand out: where the spectrum's largest gap is, and how it falls after c-1.
import { noiseFloor, positiveRank } from './positive-rank.js';

/**
 * The number of eigenvalues above the largest gap lambda_i / lambda_(i+1), i = 1 ... 3c (the first of
 * equal gaps): c - 1 where the outliers are those that arXiv 2010.04261 finds. What lies below an
 * eigenvalue counts as the noise floor at least, so that zeros make no gap infinite.
 * @param values the largest eigenvalues, descending
 * @param dimension of the matrix that they are of
 * @returns null for a zero matrix, and where too few eigenvalues are known to see the gap after c - 1
 */
export function outlierPosition(
  values: Float64Array,
  dimension: number,
  classes: number,
): number | null {
  const rank = positiveRank(values);
  const last = Math.min(3 * classes, rank, values.length - 1);
  if (values.length < Math.min(classes, dimension) || last < 1) return null;
  const floor = noiseFloor(values);
  let [position, largest] = [1, 0];
  for (let i = 1; i <= last; i++) {
    const gap = (values[i - 1] as number) / Math.max(values[i] as number, floor);
    if (gap > largest) [position, largest] = [i, gap];
  }
  return position;
}

/**
 * lambda_(c-1) / lambda_c (arXiv 2010.04261, section 2): how far the c - 1 outliers stand out.
 * @param values the largest eigenvalues, descending
 * @returns null where one of the two is unknown or lambda_c cannot be told from zero
 */
export function outlierRatio(values: Float64Array, classes: number): number | null {
  if (classes < 2 || positiveRank(values) < classes) return null;
  return (values[classes - 2] as number) / (values[classes - 1] as number);
}
