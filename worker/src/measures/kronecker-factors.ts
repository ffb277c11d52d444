// The Kronecker product of a layer's factors, as matrices and as eigenpairs; never formed here.
import type { SymmetricEigen } from '../linalg/index.js';

/** The matrices of one group: its block of K is output (x) input. */
export interface FactorMatrices {
  /** E[M], [m, m]. */
  readonly output: Float64Array;
  /** E[x x^T], [n, n]. */
  readonly input: Float64Array;
}

/** All eigenpairs of one group's factors. */
export interface FactorEigenpairs {
  readonly output: SymmetricEigen;
  readonly input: SymmetricEigen;
}

/** One eigenpair of K: (eigenvector of the output factor) (x) (eigenvector of the input factor). */
export interface KroneckerIndex {
  readonly group: number;
  /** Index of the output eigenvector, 0 = largest. */
  readonly output: number;
  /** Index of the input eigenvector. */
  readonly input: number;
}

/** The products of factor eigenvalues that are the eigenvalues of the given pairs. */
export function kroneckerEigenvalues(
  factors: readonly FactorEigenpairs[],
  pairs: readonly KroneckerIndex[],
): Float64Array {
  return Float64Array.from(pairs, ({ group, output, input }) => {
    const pair = factors[group];
    return Number(pair?.output.values[output]) * Number(pair?.input.values[input]);
  });
}
