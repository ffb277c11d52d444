// What the factors of a run are of, and what that makes of a layer's input.
import type { Layer } from '../layers/index.js';
import { type ColumnKind, type LossName, rowColumns } from './loss.js';
import type { TokenLoss } from './token-loss.js';

/** What the factors are of; fixed for a run. */
export interface FactorOptions {
  readonly loss: LossName;
  readonly columns: ColumnKind;
  /**
   * How positions of a convolution or token-shared layer are treated (K-FAC "expand" and "reduce").
   * expand: E[sum_p x_p x_p^T] and E[(1/P) sum_p sum_k g_kp g_kp^T].
   * reduce: E[xbar xbar^T], xbar the mean over positions, and E[sum_k gbar_k gbar_k^T], gbar the sum.
   */
  readonly sharing: 'expand' | 'reduce';
  /** Whether the pair is then replaced by the Frobenius-optimal one (KFOC). */
  readonly optimal?: boolean;
  /** joint: the input gets a homogeneous coordinate 1 behind it, for layers that have a bias. */
  readonly bias: 'separate' | 'joint';
  /** Whether labels are given. */
  readonly labels: boolean;
  /** Whether E[A], the mean Hessian of the loss in the logits, is summed too. */
  readonly lossHessian?: boolean;
  /** Of a model with logits for every token of a sample; undefined: one row of logits a sample. */
  readonly tokens?: TokenLoss | undefined;
  /** What is summed of the exact blocks beside the factors; undefined: nothing. */
  readonly exact?: ExactSums | undefined;
  /** Floats of the largest cotangent that is pulled back together; undefined: what a cache holds. */
  readonly cachedFloats?: number;
}

/** Sums of the exact Gauss-Newton blocks H of the layers. */
export interface ExactSums {
  /** H itself is formed where its dimension is at most this. */
  readonly denseLimit: number;
}

/** Number of columns C that are pulled back: with `exact`, every token has columns of its own. */
export function columnCount(
  { loss, columns, tokens }: Pick<FactorOptions, 'loss' | 'columns' | 'tokens'>,
  outputs: number,
): number {
  const apart = columns.kind === 'exact' || columns.kind === 'empirical';
  return rowColumns(loss, columns, outputs) * (apart ? (tokens?.count ?? 1) : 1);
}

/** The dimension of a layer's exact block: its weights, cross-group blocks included. */
export function blockDim(layer: Layer, options: Pick<FactorOptions, 'bias'>): number {
  return layer.groups * layer.outDim * factorInputDim(layer, options);
}

/** Whether the layer's input has a homogeneous coordinate 1 behind it. */
export function isJoint(layer: Layer, options: Pick<FactorOptions, 'bias'>): boolean {
  return options.bias === 'joint' && layer.bias !== undefined;
}

/** The input dimension of a layer's factor: one more with a bias treated jointly. */
export function factorInputDim(layer: Layer, options: Pick<FactorOptions, 'bias'>): number {
  return layer.inDim + (isJoint(layer, options) ? 1 : 0);
}
