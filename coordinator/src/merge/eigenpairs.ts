// What one symmetric eigendecomposition yields, and the numbers taken from it.

export interface Eigenpairs {
  /** Descending, length n. */
  readonly values: Float64Array;
  /** [n, n] row-major, one eigenvector a row, in the order of the values. */
  readonly vectors: Float64Array;
}

/** Factors are sums of products that were rounded to float32: eigenvalues below this share are noise. */
const NOISE = 2 ** -24;

/** The eigenvector of the largest eigenvalue, copied so that the others can go. */
export function topEigenvector({ values, vectors }: Eigenpairs): Float64Array {
  return vectors.slice(0, values.length);
}

/**
 * lambda_1 / lambda_2 of a positive semi-definite matrix.
 * @returns null where there is no lambda_2 or it is 0 up to the rounding of the factor
 */
export function spectralRatio(values: Float64Array): number | null {
  const [first = 0, second = 0] = values;
  return values.length < 2 || second <= NOISE * first ? null : first / second;
}

/**
 * (v . m)^2 / (|v|^2 |m|^2): how much of the direction m lies along v.
 * @returns null where one of them is 0
 */
export function alignment(v: Float64Array, m: Float64Array): number | null {
  if (v.length !== m.length)
    throw new Error(`vectors of ${v.length} and ${m.length} components have no alignment`);
  let [vm, vv, mm] = [0, 0, 0];
  for (let i = 0; i < v.length; i++) {
    const [a, b] = [v[i] ?? 0, m[i] ?? 0];
    vm += a * b;
    vv += a * a;
    mm += b * b;
  }
  return vv === 0 || mm === 0 ? null : Math.min(1, (vm / vv) * (vm / mm));
}
