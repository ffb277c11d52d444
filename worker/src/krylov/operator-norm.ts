// The spectral norm of a symmetric operator, definite or not.
import type { LinearAlgebra } from '../linalg/index.js';
import { differenceOf, type SymmetricOperator } from './symmetric-operator.js';
import { type EigenOptions, topEigenpairs } from './top-eigenpairs.js';

export type NormOptions = Omit<EigenOptions, 'top' | 'order'>;

export interface OperatorNorm {
  /** The largest |eigenvalue|: a lower bound of the norm. */
  readonly value: number;
  /** ||A v - lambda v|| of the pair: an eigenvalue lies within this of lambda. */
  readonly residual: number;
  readonly converged: boolean;
  /** Vectors multiplied. */
  readonly products: number;
}

/** ||A||_2 by Lanczos iteration, with the options of `topEigenpairs`. */
export async function operatorNorm(
  operator: SymmetricOperator,
  linalg: LinearAlgebra,
  options: NormOptions,
): Promise<OperatorNorm> {
  const pairs = await topEigenpairs(operator, linalg, { ...options, top: 1, order: 'magnitude' });
  return {
    value: Math.abs(pairs.values[0] ?? 0),
    residual: pairs.residuals[0] ?? 0,
    converged: pairs.converged[0] ?? true,
    products: pairs.products,
  };
}

/** ||a - b||_2, the largest |eigenvalue| of the difference. */
export async function normOfDifference(
  a: SymmetricOperator,
  b: SymmetricOperator,
  linalg: LinearAlgebra,
  options: NormOptions,
): Promise<OperatorNorm> {
  return await operatorNorm(differenceOf(a, b), linalg, options);
}
