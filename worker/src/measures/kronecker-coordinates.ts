// Coordinates of weight-space vectors along Kronecker eigenvectors that are never formed.
import type { LinearAlgebra } from '../linalg/index.js';
import type { FactorEigenpairs, KroneckerIndex } from './kronecker-factors.js';
import { chunksOf, groupPart, type WeightVectors } from './weight-vectors.js';

/**
 * <h_j, u_a (x) v_b> = u_a^T Mat(h_j) v_b for vectors h_j and pairs (a, b) of output and input
 * eigenvectors (arXiv 2010.04261, section 2). Only factor eigenvectors that occur in a pair are
 * multiplied: O(a m n + a n b) a vector, with a and b the numbers of different ones.
 * @returns [vectors.count, pairs.length]
 */
export async function kroneckerCoordinates(
  vectors: WeightVectors,
  factors: readonly FactorEigenpairs[],
  pairs: readonly KroneckerIndex[],
  linalg: LinearAlgebra,
): Promise<Float64Array> {
  const { groups, outDim: m, inDim: n } = vectors.shape;
  const coordinates = new Float64Array(vectors.count * pairs.length);
  for (let group = 0; group < groups; group++) {
    const own = pairs.flatMap((pair, column) => (pair.group === group ? [{ pair, column }] : []));
    const factor = factors[group];
    if (own.length === 0 || factor === undefined) continue;
    const outputs = distinct(own.map(({ pair }) => pair.output));
    const inputs = distinct(own.map(({ pair }) => pair.input));
    const u = rowsOf(factor.output.vectors, m, outputs);
    const v = rowsOf(factor.input.vectors, n, inputs);
    for (const chunk of chunksOf(vectors)) {
      const { first, count } = chunk;
      const part = groupPart(vectors, group, chunk);
      const left = { rows: outputs.length, inner: m, columns: count * n };
      const turned = await linalg.gemm(u, part, left);
      const right = { rows: outputs.length * count, inner: n, columns: inputs.length };
      const both = await linalg.gemm(turned, v, { ...right, transposeB: true });
      for (const { pair, column } of own) {
        const [a, b] = [outputs.indexOf(pair.output), inputs.indexOf(pair.input)];
        for (let j = 0; j < count; j++) {
          const value = both[(a * count + j) * inputs.length + b] as number;
          coordinates[(first + j) * pairs.length + column] = value;
        }
      }
    }
  }
  return coordinates;
}

function distinct(indices: readonly number[]): readonly number[] {
  return [...new Set(indices)].sort((a, b) => a - b);
}

/** The rows of a matrix with `width` columns. */
function rowsOf(matrix: Float64Array, width: number, indices: readonly number[]): Float64Array {
  const rows = new Float64Array(indices.length * width);
  indices.forEach((index, row) => {
    rows.set(matrix.subarray(index * width, (index + 1) * width), row * width);
  });
  return rows;
}
