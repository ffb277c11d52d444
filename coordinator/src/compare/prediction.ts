// What the decoupling conjecture predicts for the overlap of a layer of two models.
import { alignment } from '../merge/eigenpairs.js';

/** One block of a layer of one run. */
export interface PredictionBlock {
  /** gamma: eigenvalues of E[x x^T], largest first. */
  readonly input: readonly number[];
  /** tau: all m eigenvalues of E[M], largest first. */
  readonly output: readonly number[];
  /** t1: top eigenvector of E[x x^T]. */
  readonly topInput: Float64Array;
}

/** Where overlap(k) peaks: at the output dimension, times the groups. */
export function predictedPeak(layer: {
  readonly out_dim: number;
  readonly groups: number;
}): number {
  return layer.out_dim * layer.groups;
}

/**
 * Whether tau_m gamma_1 > tau_1 gamma_2, so that the m largest Kronecker eigenvectors are all
 * u_i (x) t1. For a grouped convolution the smallest left side over groups against the largest
 * right side, as its spectrum is the union over groups.
 */
export function conditionHolds(blocks: readonly PredictionBlock[]): boolean {
  const kept = blocks.map(({ input, output }) => (output.at(-1) ?? 0) * (input[0] ?? 0));
  const excluded = blocks.map(({ input, output }) => (output[0] ?? 0) * (input[1] ?? 0));
  return blocks.length > 0 && Math.min(...kept) > Math.max(...excluded);
}

/**
 * (t1 . t1')^2, the overlap at the predicted peak; the mean over groups.
 * @returns null where an input is identically 0 and has no top direction
 */
export function predictedHeight(
  a: readonly PredictionBlock[],
  b: readonly PredictionBlock[],
): number | null {
  let sum = 0;
  for (const [group, block] of a.entries()) {
    const other = b[group];
    if (other === undefined || (block.input[0] ?? 0) <= 0 || (other.input[0] ?? 0) <= 0)
      return null;
    sum += alignment(block.topInput, other.topInput) ?? 0;
  }
  return a.length === 0 ? null : sum / a.length;
}

/** (k / m) (t1 . t1')^2 for k = 1..m; beyond the peak m the theory says nothing. */
export function predictedOverlap(k: number, peak: number, height: number): number | null {
  return k > peak ? null : (k / peak) * height;
}
