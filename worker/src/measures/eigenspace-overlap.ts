// How far the leading eigenspaces of two operators coincide.

/**
 * overlap(k) = ||U_k^T V_k||_F^2 / k for k = 1 ... most, U_k and V_k the first k vectors of two
 * orthonormal frames: 1 for equal subspaces, 0 for orthogonal ones (arXiv 2010.04261, definition of
 * eigenspace overlap).
 * @param products <u_i, v_j>, [rows, columns]
 * @returns [most], entry k - 1 for k
 * @throws RangeError when there are fewer than `most` vectors on a side
 */
export function eigenspaceOverlap(
  products: Float64Array,
  rows: number,
  columns: number,
  most: number,
): Float64Array {
  if (most > rows || most > columns || products.length !== rows * columns)
    throw new RangeError(`${rows} and ${columns} vectors have no overlap of ${most}`);
  const overlap = new Float64Array(most);
  let sum = 0;
  for (let last = 0; last < most; last++) {
    for (let i = 0; i <= last; i++) sum += (products[i * columns + last] as number) ** 2;
    for (let j = 0; j < last; j++) sum += (products[last * columns + j] as number) ** 2;
    overlap[last] = Math.min(1, sum / (last + 1));
  }
  return overlap;
}
