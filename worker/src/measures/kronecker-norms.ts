// Norms and trace of a Kronecker product, from its factors alone.
import type { FactorMatrices } from './kronecker-factors.js';

/** ||A||_F of an array of entries. */
export function frobeniusNorm(entries: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < entries.length; i++) sum += (entries[i] as number) ** 2;
  return Math.sqrt(sum);
}

/** ||K||_F = sqrt(sum over groups of (||A||_F ||B||_F)^2), since ||A (x) B||_F = ||A||_F ||B||_F. */
export function kroneckerFrobeniusNorm(blocks: readonly FactorMatrices[]): number {
  return Math.hypot(
    ...blocks.map(({ output, input }) => frobeniusNorm(output) * frobeniusNorm(input)),
  );
}

/** tr K = sum over groups of tr(A) tr(B). */
export function kroneckerTrace(blocks: readonly FactorMatrices[]): number {
  return blocks.reduce((sum, { output, input }) => sum + trace(output) * trace(input), 0);
}

/** The sum of the diagonal of a square matrix. */
export function trace(matrix: Float64Array): number {
  const n = Math.round(Math.sqrt(matrix.length));
  let sum = 0;
  for (let i = 0; i < n; i++) sum += matrix[i * (n + 1)] as number;
  return sum;
}
