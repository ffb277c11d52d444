// Takes directions that are known out of random vectors, so that only the rest is left to chance.
import type { LinearAlgebra } from '../linalg/index.js';

/**
 * Replaces z by (I - V^T V) z, in place.
 * @param vectors z, [count, dim], one a row
 * @param rows V, orthonormal, [known, dim]
 */
export async function removeDirections(
  linalg: LinearAlgebra,
  vectors: Float64Array,
  count: number,
  rows: Float64Array,
  known: number,
): Promise<void> {
  if (known === 0) return;
  const dim = vectors.length / count;
  const shape = { rows: count, inner: dim, columns: known, transposeB: true };
  const parts = await linalg.gemm(vectors, rows, shape);
  const inside = { rows: count, inner: known, columns: dim };
  await linalg.addGemm(vectors, -1, parts, rows, inside);
}
