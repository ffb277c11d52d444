// Whether the largest eigenvalues stand out: where the spectrum's largest gap is, and how it falls after c-1.
import { positiveRank } from './positive-rank.js';

/**
 * The number of eigenvalues above the largest relative gap (lambda_i - lambda_(i+1)) / lambda_i among
 * the 3c largest (the first of equal gaps); c - 1 where the outliers are those that arXiv 2010.04261
 * finds. An eigenvalue that cannot be told from zero counts as zero, so that the gap before it is 1.
 * @param values the largest eigenvalues, descending
 * @param dimension of the matrix that they are of
 * @returns null for a zero matrix, and where too few eigenvalues are known to see the gap after c - 1
 */
export function outlierPosition(
  values: Float64Array,
  dimension: number,
  classes: number,
): number | null {
  const known = Math.min(3 * classes, values.length);
  const rank = positiveRank(values);
  if (known < Math.min(classes, dimension) || rank === 0 || known < 2) return null;
  let [position, largest] = [1, -1];
  for (let i = 1; i <= Math.min(rank, known - 1); i++) {
    const [above, below] = [values[i - 1] as number, i < rank ? (values[i] as number) : 0];
    const gap = (above - below) / above;
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
