// A stand-in for the output Hessian that needs no gradients.
import type { LinearAlgebra } from '../linalg/index.js';
import type { Matrix } from './heuristic-eigenspace.js';
import { frobeniusNorm } from './kronecker-norms.js';

/**
 * M~ = 4^-L S^T A S (arXiv 2010.04261, surrogate output Hessian): every one of the L ReLU layers in
 * between passes a unit for half of the samples, independently in both factors.
 * @param chain S [c, m], the product of the weights behind the layer
 * @param lossHessian A = E[d2 loss / d logits2], [c, c]
 * @param relus L
 * @returns [m, m]
 */
export async function surrogateOutputHessian(
  { rows: c, columns: m, values: chain }: Matrix,
  lossHessian: Float64Array,
  relus: number,
  linalg: LinearAlgebra,
): Promise<Float64Array> {
  const half = await linalg.gemm(lossHessian, chain, { rows: c, inner: c, columns: m });
  const full = await linalg.gemm(chain, half, { rows: m, inner: c, columns: m, transposeA: true });
  return full.map((value) => value * 4 ** -relus);
}

/** ||M~ - E[M]||_F / ||E[M]||_F of two [m, m] matrices; null where E[M] is 0. */
export function surrogateError(surrogate: Float64Array, output: Float64Array): number | null {
  const norm = frobeniusNorm(output);
  const difference = surrogate.map((value, at) => value - (output[at] as number));
  return norm === 0 ? null : frobeniusNorm(difference) / norm;
}
