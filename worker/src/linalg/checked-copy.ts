// Copies of matrices that are known to be finite, and symmetric where they have to be.
import { NotFiniteMatrixError, NotSymmetricMatrixError } from './linalg-error.js';

/**
 * The asymmetry, relative to the largest entry, that still passes for rounding: the entries of
 * float32 programs differ by some 1e-6, a matrix that is not meant to be symmetric by about 1.
 */
const ROUNDING = 1e-4;

/** @throws RangeError when the array does not have the entries of its shape */
export function requireShape(matrix: Float64Array, rows: number, columns: number): void {
  const valid = [rows, columns].every((size) => Number.isSafeInteger(size) && size >= 0);
  if (!valid || matrix.length !== rows * columns) {
    throw new RangeError(`${matrix.length} values do not make a ${rows} x ${columns} matrix`);
  }
}

/**
 * Copies a matrix [rows, columns] of finite numbers.
 * @throws NotFiniteMatrixError at the first entry that is none
 */
export function copyFinite(
  matrix: Float64Array,
  rows: number,
  columns: number,
  into: Float64Array,
): void {
  requireShape(matrix, rows, columns);
  into.set(matrix);
  for (let i = 0; i < into.length; i++) {
    const value = into[i] as number;
    // The difference of a number to itself is 0, of NaN and the infinities NaN.
    if (value - value !== 0) {
      throw new NotFiniteMatrixError(Math.floor(i / columns), i % columns, value);
    }
  }
}

/**
 * Copies a symmetric matrix [n, n]. Where the two triangles differ by rounding, both get the mean,
 * so that it does not matter which one a routine reads.
 * @throws NotFiniteMatrixError, NotSymmetricMatrixError
 */
export function copySymmetric(matrix: Float64Array, n: number, into: Float64Array): void {
  copyFinite(matrix, n, n, into);
  if (!isSymmetric(into, n)) takeMeans(into, n);
}

/** Side of the tiles in which transposed entries are compared: two of them stay in cache. */
const TILE = 32;

function isSymmetric(matrix: Float64Array, n: number): boolean {
  for (let top = 0; top < n; top += TILE) {
    for (let left = top; left < n; left += TILE) {
      const [bottom, right] = [Math.min(top + TILE, n), Math.min(left + TILE, n)];
      for (let row = top; row < bottom; row++) {
        for (let column = left; column < right; column++) {
          if (matrix[row * n + column] !== matrix[column * n + row]) return false;
        }
      }
    }
  }
  return true;
}

/** Replaces transposed entries by their mean, in place. @throws NotSymmetricMatrixError */
function takeMeans(matrix: Float64Array, n: number): void {
  const largest = matrix.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  for (let row = 0; row < n; row++) {
    for (let column = row + 1; column < n; column++) {
      const upper = matrix[row * n + column] as number;
      const lower = matrix[column * n + row] as number;
      if (upper === lower) continue;
      // Halved first: the sum of two large numbers could overflow.
      if (Math.abs(upper / 2 - lower / 2) > (ROUNDING / 2) * largest) {
        throw new NotSymmetricMatrixError(row, column, upper, lower);
      }
      const mean = upper / 2 + lower / 2;
      matrix[row * n + column] = mean;
      matrix[column * n + row] = mean;
    }
  }
}
