// Walks and mirrors triangles of square matrices tile by tile, so that both halves stay in cache.

const TILE = 64;

/** Calls `visit` for all row < column < n, in an order in which transposed entries lie close. */
export function forUpperTriangle(n: number, visit: (row: number, column: number) => void): void {
  for (let top = 0; top < n; top += TILE) {
    for (let left = top; left < n; left += TILE) {
      for (let row = top; row < Math.min(top + TILE, n); row++) {
        const end = Math.min(left + TILE, n);
        for (let column = Math.max(left, row + 1); column < end; column++) visit(row, column);
      }
    }
  }
}

/** Copies the upper triangle of a row-major [n, n] matrix to the lower one, in place. */
export function mirrorUpper(matrix: Float64Array, n: number): void {
  forUpperTriangle(n, (row, column) => {
    matrix[column * n + row] = matrix[row * n + column] as number;
  });
}
