// How many leading eigenvalues can be told from zero.

/**
 * Factors and Hessian blocks come out of float32 programs: what lies below this share of the largest
 * eigenvalue, float32's unit roundoff, is indistinguishable from zero.
 */
const RESOLUTION = 2 ** -23;

/**
 * The number of leading eigenvalues above 2^-23 times the largest magnitude. Eigenvectors beyond
 * span part of the null space in no particular order, so what is measured of them means nothing.
 * @param values descending
 */
export function positiveRank(values: Float64Array): number {
  const largest = values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  const end = values.findIndex((value) => !(value > RESOLUTION * largest));
  return end === -1 ? values.length : end;
}
