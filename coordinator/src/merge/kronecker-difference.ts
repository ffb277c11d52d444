// The difference between an exact block and the Kronecker products that approximate it.
import type { BundleTensor } from '@kronlens/proto';

/** The factors of one group: E[x x^T] [n, n] and E[M] [m, m], packed upper triangles. */
export interface PackedFactors {
  readonly input: BundleTensor;
  readonly output: BundleTensor;
}

/** Where entry (row, column) lies in the packed upper triangle of an n x n matrix. */
function packedIndex(row: number, column: number, n: number): number {
  const [i, j] = row <= column ? [row, column] : [column, row];
  return i * n - (i * (i - 1)) / 2 + (j - i);
}

/**
 * H - K, K the block diagonal over groups of E[M] (x) E[x x^T], vec row-major over [G, m, n].
 * @param block H, packed upper triangle
 * @returns packed upper triangle
 */
export function minusKronecker(
  block: BundleTensor,
  groups: readonly PackedFactors[],
): BundleTensor {
  const values = block.values.slice();
  const [dim = 0] = block.shape;
  let start = 0;
  for (const { input, output } of groups) {
    const [n = 0] = input.shape;
    const [m = 0] = output.shape;
    for (let row = 0; row < m * n; row++) {
      const [i, j] = [Math.floor(row / n), row % n];
      const from = packedIndex(start + row, start + row, dim) - row;
      for (let column = row; column < m * n; column++) {
        const [k, l] = [Math.floor(column / n), column % n];
        const product =
          (output.values[packedIndex(i, k, m)] ?? NaN) *
          (input.values[packedIndex(j, l, n)] ?? NaN);
        values[from + column] = (values[from + column] ?? NaN) - product;
      }
    }
    start += m * n;
  }
  if (start !== dim) throw new Error(`factors of ${start} weights beside a block of ${dim}`);
  return { ...block, values };
}

/** ||A||_F of a packed symmetric matrix. */
export function packedFrobenius({ values, shape: [n = 0] }: BundleTensor): number {
  let sum = 0;
  let next = 0;
  for (let row = 0; row < n; row++) {
    for (let column = row; column < n; column++) {
      const value = values[next++] ?? NaN;
      sum += (row === column ? 1 : 2) * value * value;
    }
  }
  return Math.sqrt(sum);
}
