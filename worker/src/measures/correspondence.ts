// How eigenvectors of the exact block are made of eigenvectors of the two factors.
import type { LinearAlgebra } from '../linalg/index.js';
import { chunksOf, groupPart, type WeightVectors } from './weight-vectors.js';

/**
 * Corr(v_i, h_j) = ||Mat(h_j) v_i||^2 (arXiv 2010.04261, section 2), Mat(h_j) the part [m, n] of the
 * unit vector h_j in one group. Over all v_i of all groups a column adds up to 1.
 * @param inputVectors v_i of the group, [n, n], one a row
 * @returns [n, vectors.count]
 */
export async function inputCorrespondence(
  vectors: WeightVectors,
  group: number,
  inputVectors: Float64Array,
  linalg: LinearAlgebra,
): Promise<Float64Array> {
  const { outDim: m, inDim: n } = vectors.shape;
  const result = new Float64Array(n * vectors.count);
  for (const chunk of chunksOf(vectors)) {
    const { first, count } = chunk;
    const shape = { rows: m * count, inner: n, columns: n, transposeB: true };
    const turned = await linalg.gemm(groupPart(vectors, group, chunk), inputVectors, shape);
    for (let row = 0; row < m * count; row++) {
      const column = first + (row % count);
      for (let i = 0; i < n; i++) {
        const at = i * vectors.count + column;
        result[at] = (result[at] as number) + (turned[row * n + i] as number) ** 2;
      }
    }
  }
  return result;
}

/**
 * Corr(u_i, h_j) = ||Mat(h_j)^T u_i||^2, as `inputCorrespondence` for the output factor.
 * @param outputVectors u_i of the group, [m, m], one a row
 * @returns [m, vectors.count]
 */
export async function outputCorrespondence(
  vectors: WeightVectors,
  group: number,
  outputVectors: Float64Array,
  linalg: LinearAlgebra,
): Promise<Float64Array> {
  const { outDim: m, inDim: n } = vectors.shape;
  const result = new Float64Array(m * vectors.count);
  for (const chunk of chunksOf(vectors)) {
    const { first, count } = chunk;
    const shape = { rows: m, inner: m, columns: count * n };
    const turned = await linalg.gemm(outputVectors, groupPart(vectors, group, chunk), shape);
    for (let i = 0; i < m; i++) {
      for (let j = 0; j < count; j++) {
        const from = (i * count + j) * n;
        let sum = 0;
        for (let at = from; at < from + n; at++) sum += (turned[at] as number) ** 2;
        result[i * vectors.count + first + j] = sum;
      }
    }
  }
  return result;
}
