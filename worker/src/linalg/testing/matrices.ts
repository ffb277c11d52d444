// Matrices for the tests of linear algebra, and how far a result is from what it should be.

/** Uniform numbers in [-1, 1) that a seed determines (xorshift32). */
export function randomValues(length: number, seed: number): Float64Array {
  let state = (seed * 2654435761) | 1;
  return Float64Array.from({ length }, () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state / 2 ** 31;
  });
}

/** A symmetric matrix [n, n] of random entries: eigenvalues of both signs, well apart. */
export function randomSymmetric(n: number, seed: number): Float64Array {
  const matrix = randomValues(n * n, seed);
  for (let i = 0; i < n; i++) {
    for (let j = 0; j < i; j++) matrix[i * n + j] = matrix[j * n + i] as number;
  }
  return matrix;
}

/** op(a) op(b) by the definition, a [rows, inner], b [inner, columns]. */
export function product(
  a: Float64Array,
  b: Float64Array,
  rows: number,
  inner: number,
  columns: number,
): Float64Array {
  const result = new Float64Array(rows * columns);
  for (let i = 0; i < rows; i++) {
    for (let k = 0; k < inner; k++) {
      const factor = a[i * inner + k] as number;
      for (let j = 0; j < columns; j++) {
        result[i * columns + j] =
          (result[i * columns + j] as number) + factor * (b[k * columns + j] as number);
      }
    }
  }
  return result;
}

export function transpose(matrix: Float64Array, rows: number, columns: number): Float64Array {
  return Float64Array.from(
    { length: matrix.length },
    (_, i) => matrix[(i % rows) * columns + Math.floor(i / rows)] as number,
  );
}

/** The identity [n, n]. */
export function identity(n: number): Float64Array {
  return Float64Array.from({ length: n * n }, (_, i) => (i % (n + 1) === 0 ? 1 : 0));
}

/** The largest difference of two arrays' entries; NaN when an entry is. */
export function largestDifference(a: Float64Array, b: Float64Array): number {
  if (a.length !== b.length) return Number.NaN;
  return a.reduce((largest, value, i) => Math.max(largest, Math.abs(value - (b[i] as number))), 0);
}

/** The largest magnitude of an entry. */
export function largest(values: Float64Array): number {
  return values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
}
