// How close the eigenvectors of the exact block, read as matrices, are to rank one.
import type { LinearAlgebra } from '../linalg/index.js';
import { dimensionOf, type WeightVectors } from './weight-vectors.js';

export interface MatricisedRanks {
  /** ||Mat(h_i)||_2 / ||Mat(h_i)||_F, [vectors.count]: 1 for rank one, else down to 1/sqrt(rank). */
  readonly ratios: Float64Array;
  /** The largest singular values of Mat(h_i), descending, [vectors.count, kept]. */
  readonly singularValues: Float64Array;
  /** min(most, rows, columns) of Mat. */
  readonly kept: number;
}

/**
 * Rank ratios and top singular values of Mat(h_i) (arXiv 2010.04261, section 2). For a grouped
 * convolution Mat is [groups * m, n]. Singular values are roots of the eigenvalues of the smaller
 * Gram matrix: those below 1e-8 of the largest are lost in rounding.
 * @param vectors none of them zero
 * @param most singular values to keep
 */
export async function matricisedRanks(
  vectors: WeightVectors,
  most: number,
  linalg: LinearAlgebra,
): Promise<MatricisedRanks> {
  const rows = vectors.shape.groups * vectors.shape.outDim;
  const columns = vectors.shape.inDim;
  const dimension = dimensionOf(vectors.shape);
  const size = Math.min(rows, columns);
  const kept = Math.min(most, size);
  const ratios = new Float64Array(vectors.count);
  const singularValues = new Float64Array(vectors.count * kept);
  for (let i = 0; i < vectors.count; i++) {
    const matrix = vectors.values.subarray(i * dimension, (i + 1) * dimension);
    const gram =
      rows < columns
        ? await linalg.gemm(matrix, matrix, {
            rows,
            inner: columns,
            columns: rows,
            transposeB: true,
          })
        : await linalg.syrk(matrix, rows, columns);
    const { values } = await linalg.eigh(gram, size);
    let trace = 0;
    for (let at = 0; at < size; at++) trace += gram[at * (size + 1)] as number;
    for (let at = 0; at < kept; at++) {
      singularValues[i * kept + at] = Math.sqrt(Math.max(0, values[at] as number));
    }
    ratios[i] = Math.min(1, Math.sqrt((values[0] as number) / trace));
  }
  return { ratios, singularValues, kept };
}
