// How many leading eigenvalues can be told from zero.

/**
 * Unit roundoff of float32, in which programs compute factors and Hessian blocks: what lies below
 * this share of the largest eigenvalue cannot be told from zero.
 */
const NOISE = 2 ** -24;

/** The magnitude below which eigenvalues of a matrix cannot be told from zero. */
export function noiseFloor(values: Float64Array): number {
  return NOISE * values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
}

/**
 * The number of leading eigenvalues above `noiseFloor`. Eigenvectors beyond span part of the null
 * space in no particular order, so what is measured of them means nothing.
 * @param values descending
 */
export function positiveRank(values: Float64Array): number {
  const floor = noiseFloor(values);
  const end = values.findIndex((value) => !(value > floor));
  return end === -1 ? values.length : end;
}
