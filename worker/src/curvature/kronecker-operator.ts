// The Kronecker side as an operator: block-diagonal over the groups of a layer, never formed.
import type { SymmetricOperator } from '../krylov/index.js';
import type { LinearAlgebra } from '../linalg/index.js';

/** The factors of one group. */
export interface KroneckerFactors {
  /** E[M], symmetric [m, m]. */
  readonly output: Float64Array;
  /** E[x x^T], symmetric [n, n]. */
  readonly input: Float64Array;
}

/**
 * K of weights vec(W), W [groups, m, n] row-major: every group's V becomes output V input.
 * @param blocks one for each group, all of the same sizes
 */
export function kroneckerOperator(
  blocks: readonly KroneckerFactors[],
  m: number,
  n: number,
  linalg: LinearAlgebra,
): SymmetricOperator {
  const size = m * n;
  const dim = blocks.length * size;
  return {
    dim,
    async apply(vectors, count) {
      const products = new Float64Array(count * dim);
      for (const [group, { output, input }] of blocks.entries()) {
        const weights = groupOf(vectors, count, dim, group * size, size);
        // [count, m, n] input, for all vectors at once.
        const right = await linalg.gemm(weights, input, { rows: count * m, inner: n, columns: n });
        for (let i = 0; i < count; i++) {
          const one = right.subarray(i * size, (i + 1) * size);
          const product = await linalg.gemm(output, one, { rows: m, inner: m, columns: n });
          products.set(product, i * dim + group * size);
        }
      }
      return products;
    },
  };
}

/** The entries [first, first + size) of every vector, [count, size]. */
function groupOf(
  vectors: Float64Array,
  count: number,
  dim: number,
  first: number,
  size: number,
): Float64Array {
  if (size === dim) return vectors.subarray(0, count * dim);
  const entries = new Float64Array(count * size);
  for (let i = 0; i < count; i++) {
    const start = i * dim + first;
    entries.set(vectors.subarray(start, start + size), i * size);
  }
  return entries;
}
