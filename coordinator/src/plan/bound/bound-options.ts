// The options of PAC-Bayes bounds, checked and with their defaults.
import type { BoundSetting } from '../../bound/index.js';
import type { AnalysisOptions, ExecutionOptions } from '../options.js';

/**
 * In which basis the posterior's covariance is diagonal. base: that of the weights themselves (Dziugaite
 * and Roy). The others: the Kronecker eigenbasis of [E[M], E[x x^T]] of each layer; appr: at the trained
 * weights; iter: found anew at the current mean every `interval` epochs; iter-d: the interval grows
 * tenfold whenever the learning rate decays; iter-m: as iter, with the surrogate of E[M] that follows from the
 * weights behind a layer and E[d2 loss / d logits2].
 */
export const VARIANTS = ['base', 'appr', 'iter', 'iter-d', 'iter-m'] as const;
export type Variant = (typeof VARIANTS)[number];

/** What determines the result files, together with models and data. */
export interface BoundOptions
  extends BoundSetting,
    Pick<AnalysisOptions, 'samples' | 'seed' | 'memoryBytes' | 'scale' | 'device' | 'linalg'> {
  readonly variants: readonly Variant[];
  /** Passes over the training set. */
  readonly epochs: number;
  /** Samples in one step of the optimiser. */
  readonly batch: number;
  /** Of RMSprop. */
  readonly learningRate: number;
  /** Of RMSprop: the share of the old mean square that is kept in each step. */
  readonly alpha: number;
  /** Of RMSprop: added to the root of the mean square. */
  readonly epsilon: number;
  /** The learning rate is multiplied by `decay` after every `decayEpochs` epochs; 0 epochs: never. */
  readonly decay: number;
  readonly decayEpochs: number;
  /** rho at the start, lambda = exp(2 rho). */
  readonly firstRho: number;
  /** Standard deviations begin at this times |w|. */
  readonly firstScale: number;
  /** Epochs between two bases of iter; at first, of iter-d. */
  readonly interval: number;
  /** Epochs of one task, whose end can be resumed from. */
  readonly checkpoint: number;
  /** Weights drawn from the posterior for its training error. */
  readonly mcSamples: number;
  /** Weights drawn for its error on the test data, at most `mcSamples`. */
  readonly testDraws: number;
  /** Samples, chosen at random, that each of them is evaluated on; all where there are no more. */
  readonly drawSamples: number;
}

/** How a run is executed: nothing here changes a byte of the result files. */
export interface BoundExecution
  extends Pick<ExecutionOptions, 'model' | 'data' | 'labels' | 'out' | 'parallel' | 'resume'> {
  /** The untrained network; undefined: theta_0 = 0. */
  readonly init: string | undefined;
  readonly testData: string | undefined;
  readonly testLabels: string | undefined;
  /** Seconds between two states that can be resumed, also within an epoch. */
  readonly checkpointSeconds: number;
}

/** What tasks of posteriors are made with. */
export type PosteriorOptions = BoundOptions & Pick<BoundExecution, 'checkpointSeconds'>;

export interface BoundRequest {
  readonly options: BoundOptions;
  readonly execution: BoundExecution;
}
