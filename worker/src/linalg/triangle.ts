// Completes a symmetric matrix of which one triangle was computed.

/** Side of the tiles that are copied one after the other: a tile and its transpose stay in cache. */
const TILE = 32;

/** Copies the upper triangle of a row-major [n, n] matrix to the lower one, in place. */
export function mirrorUpper(matrix: Float64Array, n: number): void {
  for (let top = 0; top < n; top += TILE) {
    for (let left = top; left < n; left += TILE) {
      const [bottom, right] = [Math.min(top + TILE, n), Math.min(left + TILE, n)];
      for (let row = top; row < bottom; row++) {
        for (let column = Math.max(left, row + 1); column < right; column++) {
          matrix[column * n + row] = matrix[row * n + column] as number;
        }
      }
    }
  }
}
