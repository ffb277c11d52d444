// Brings decompositions into the one form that all backends return: order and signs.
import { NoConvergenceError } from './linalg-error.js';
import type { OrthogonalTriangular, SingularValues, SymmetricEigen } from './linear-algebra.js';
import { fixSign } from './sign.js';

/**
 * Eigenpairs with the largest first and signs fixed, out of those with the smallest first.
 * @param values [n], ascending
 * @param vectors [n, n], row i belongs to value i
 * @throws NoConvergenceError when a number is not finite
 */
export function descendingEigenpairs(
  values: Float64Array,
  vectors: Float64Array,
  n: number,
  routine: string,
): SymmetricEigen {
  const reversed = new Float64Array(n * n);
  for (let i = 0; i < n; i++) {
    const row = reversed.subarray(i * n, (i + 1) * n);
    row.set(vectors.subarray((n - 1 - i) * n, (n - i) * n));
    if (fixSign(row) === undefined) {
      throw new NoConvergenceError(routine, `${n} x ${n}`, `eigenvector ${i} is not finite`);
    }
  }
  // Adding 0 makes zeros positive.
  const descending = Float64Array.from(values, (value) => value + 0).reverse();
  requireFinite(descending, routine, `${n} x ${n}`);
  return { values: descending, vectors: reversed };
}

/**
 * Fixes the signs of the rows of vt, and turns the columns of u along with them.
 * @throws NoConvergenceError when a number is not finite
 */
export function fixSingularSigns(
  { u, values, vt }: SingularValues,
  rows: number,
  columns: number,
  routine: string,
): SingularValues {
  const k = values.length;
  requireFinite(values, routine, `${rows} x ${columns}`);
  requireFinite(u, routine, `${rows} x ${columns}`);
  const [left, right] = [u.slice(), vt.slice()];
  for (let i = 0; i < k; i++) {
    const turned = fixSign(right.subarray(i * columns, (i + 1) * columns));
    if (turned === undefined) {
      const reason = `singular vector ${i} is not finite`;
      throw new NoConvergenceError(routine, `${rows} x ${columns}`, reason);
    }
    if (turned) negateColumn(left, rows, k, i);
  }
  return { u: left, values: values.slice(), vt: right };
}

/** Turns columns of q and rows of r, in place, so that no diagonal entry of r is negative. */
export function positiveDiagonal(
  { q, r }: OrthogonalTriangular,
  rows: number,
  columns: number,
): OrthogonalTriangular {
  const k = Math.min(rows, columns);
  for (let i = 0; i < k; i++) {
    if ((r[i * columns + i] as number) >= 0) continue;
    for (let j = i; j < columns; j++) r[i * columns + j] = 0 - (r[i * columns + j] as number);
    negateColumn(q, rows, k, i);
  }
  return { q, r };
}

function negateColumn(matrix: Float64Array, rows: number, columns: number, column: number): void {
  for (let row = 0; row < rows; row++) {
    matrix[row * columns + column] = 0 - (matrix[row * columns + column] as number);
  }
}

function requireFinite(values: Float64Array, routine: string, size: string): void {
  if (!values.every(Number.isFinite)) {
    throw new NoConvergenceError(routine, size, 'the result is not finite');
  }
}
