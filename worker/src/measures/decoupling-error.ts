// How far the decoupling conjecture is from holding for a layer whose exact block is known densely.
import type { LinearAlgebra } from '../linalg/index.js';
import { kroneckerDifferenceRow } from './kronecker-difference.js';
import type { FactorMatrices } from './kronecker-factors.js';
import { frobeniusNorm } from './kronecker-norms.js';
import { quotient } from './quotient.js';
import { dimensionOf, type WeightShape } from './weight-vectors.js';

/**
 * ||K - H||_F / ||H||_F (arXiv 2010.04261, decoupling conjecture), K block-diagonal over groups and
 * never formed.
 * @param dense H, [d, d]
 * @returns null for H = 0
 */
export function decouplingErrorFrobenius(
  dense: Float64Array,
  blocks: readonly FactorMatrices[],
  shape: WeightShape,
): number | null {
  const row = new Float64Array(dimensionOf(shape));
  let sum = 0;
  for (let index = 0; index < row.length; index++) {
    kroneckerDifferenceRow(dense, blocks, shape, index, row);
    for (let at = 0; at < row.length; at++) sum += (row[at] as number) ** 2;
  }
  return quotient(Math.sqrt(sum), frobeniusNorm(dense));
}

/**
 * ||K - H||_2 / ||H||_2 (arXiv 2010.04261, decoupling conjecture).
 * @param dense H, [d, d]
 * @param eigenvalues of H, that of largest magnitude among them
 * @returns null for H = 0
 */
export async function decouplingErrorSpectral(
  dense: Float64Array,
  blocks: readonly FactorMatrices[],
  shape: WeightShape,
  eigenvalues: Float64Array,
  linalg: LinearAlgebra,
): Promise<number | null> {
  const d = dimensionOf(shape);
  const difference = new Float64Array(d * d);
  for (let index = 0; index < d; index++) {
    const row = difference.subarray(index * d, (index + 1) * d);
    kroneckerDifferenceRow(dense, blocks, shape, index, row);
  }
  const { values } = await linalg.eigh(difference, d);
  return quotient(largestMagnitude(values), largestMagnitude(eigenvalues));
}

function largestMagnitude(values: Float64Array): number {
  return values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
}
