// The tables of PAC-Bayes bounds in the result folder.
import { Int64, Schema } from 'apache-arrow';
import { column, integer, real, type TableSchema, text } from './tables.js';

/** The bound of one variant and what it is made of. Errors are shares of wrong samples. */
export type BoundRow = {
  readonly variant: string;
  /** On the true error of the posterior Q. */
  readonly bound: number;
  /** KL(Q || P) at the prior variance, in nats. */
  readonly kl: number;
  /** Bound on the training error of Q, from its Monte-Carlo estimate. */
  readonly snn_error: number;
  /** Of Q: means over weights drawn from it. */
  readonly train_error: number;
  readonly test_error: number | null;
  readonly half_log_lambda: number;
  /** Size of the training set. */
  readonly n: number;
  readonly epochs: number;
  readonly seed: number;
  /** Index j >= 1 of the prior variance, lambda = c exp(-j/b). */
  readonly j: number;
  /** Weights drawn for train_error. */
  readonly mc_samples: number;
  /** Standard errors of the two means over drawn weights; null for one draw. */
  readonly train_error_standard_error: number | null;
  readonly test_error_standard_error: number | null;
  /** Of the network whose weights are the mean of Q. */
  readonly mean_train_error: number;
  readonly mean_test_error: number | null;
};
export const BOUNDS: TableSchema<BoundRow> = {
  name: 'bounds',
  arrow: new Schema([
    column('variant', text()),
    column('bound', real()),
    column('kl', real()),
    column('snn_error', real()),
    column('train_error', real()),
    column('test_error', real(), true),
    column('half_log_lambda', real()),
    column('n', new Int64()),
    column('epochs', integer()),
    column('seed', new Int64()),
    column('j', integer()),
    column('mc_samples', new Int64()),
    column('train_error_standard_error', real(), true),
    column('test_error_standard_error', real(), true),
    column('mean_train_error', real()),
    column('mean_test_error', real(), true),
  ]),
};

/** One epoch of the minimisation. */
export type BoundHistoryRow = {
  readonly variant: string;
  /** 0 = the first. */
  readonly epoch: number;
  /** loss + penalty. */
  readonly objective: number;
  /** Mean over the epoch of the surrogate loss at weights with noise. */
  readonly loss: number;
  /** Mean over the epoch of the share of wrong samples at weights with noise. */
  readonly train_error: number;
  /** KL(Q || P) at the end of the epoch, at lambda = exp(2 rho). */
  readonly kl: number;
  /** sqrt(BRE / 2) at the end of the epoch. */
  readonly penalty: number;
  readonly rho: number;
};
export const BOUND_HISTORY: TableSchema<BoundHistoryRow> = {
  name: 'bound_history',
  arrow: new Schema([
    column('variant', text()),
    column('epoch', integer()),
    column('objective', real()),
    column('loss', real()),
    column('train_error', real()),
    column('kl', real()),
    column('penalty', real()),
    column('rho', real()),
  ]),
};

/** A parameter's part of KL(Q || P); the parts add up to the whole. */
export type PosteriorKlRow = {
  readonly variant: string;
  readonly parameter: string;
  /** null for parameters that belong to no layer. */
  readonly layer: string | null;
  /** Entries of the parameter. */
  readonly dimension: number;
  readonly kl: number;
  /** sum exp(2 s). */
  readonly variance_sum: number;
  /** sum s. */
  readonly log_deviation_sum: number;
  /** ||w - theta_0||^2. */
  readonly squared_distance: number;
};
export const POSTERIOR_KL: TableSchema<PosteriorKlRow> = {
  name: 'posterior_kl',
  arrow: new Schema([
    column('variant', text()),
    column('parameter', text()),
    column('layer', text(), true),
    column('dimension', new Int64()),
    column('kl', real()),
    column('variance_sum', real()),
    column('log_deviation_sum', real()),
    column('squared_distance', real()),
  ]),
};
