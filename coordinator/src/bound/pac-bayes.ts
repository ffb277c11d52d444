// The PAC-Bayes bound: from KL, prior variance and Monte-Carlo error to the bound on the true error.
import { inverseBinaryKl } from './binary-kl.js';
import { gaussianKl, type PosteriorSums } from './gaussian-kl.js';
import { gridLogLambda, gridNeighbours, type PriorGrid } from './prior-grid.js';

/** With what probability the bound may fail, and over which priors it holds. */
export interface BoundSetting extends PriorGrid {
  /** Of the PAC-Bayes theorem, over the draw of the training set. */
  readonly delta: number;
  /** delta', of the Monte-Carlo estimate of the training error. */
  readonly deltaPrime: number;
}

/** One minus the sum of both probabilities of failure. */
export function confidence({ delta, deltaPrime }: BoundSetting): number {
  return 1 - delta - deltaPrime;
}

/**
 * BRE = [KL(Q || P) + 2 log j + log(pi^2 N / (6 delta))] / (N - 1): what kl(training error || true error)
 * is at most, for all priors of the grid at once (Dziugaite and Roy 2017; arXiv 2010.04261).
 * @param kl KL(Q || P) at lambda_j
 * @param j grid index of the prior variance, at least 1; b log(c / lambda)
 * @param samples N, size of the training set, at least 2
 * @throws RangeError for j below 1, where the union bound does not hold, and for fewer than 2 samples
 */
export function boundRate(
  kl: number,
  j: number,
  samples: number,
  { delta }: Pick<BoundSetting, 'delta'>,
): number {
  if (!(j >= 1))
    throw new RangeError(`the prior variances are c exp(-j/b) with j >= 1, got j = ${j}`);
  if (!(samples >= 2)) throw new RangeError(`the bound needs at least 2 samples, got ${samples}`);
  const union = 2 * Math.log(j) + Math.log((Math.PI ** 2 * samples) / (6 * delta));
  return Math.max(0, (kl + union) / (samples - 1));
}

/**
 * The sample convergence bound on the posterior's training error: kl^-1(e | log(2 / delta') / n), e its
 * mean over n weights drawn from Q.
 * @param trainError e, in [0, 1]
 * @param draws n
 */
export function monteCarloBound(
  trainError: number,
  draws: number,
  { deltaPrime }: Pick<BoundSetting, 'deltaPrime'>,
): number {
  return inverseBinaryKl(trainError, Math.log(2 / deltaPrime) / draws);
}

/** A bound and what it is made of. */
export interface PacBayesBound {
  /** kl^-1(snnError | rate): the true error is below it with the setting's confidence. */
  readonly bound: number;
  /** KL(Q || P) at the prior variance, in nats. */
  readonly kl: number;
  /** BRE. */
  readonly rate: number;
  /** Bound on the posterior's training error. */
  readonly snnError: number;
  /** Index of the prior variance on the grid. */
  readonly j: number;
  /** 1/2 log lambda_j. */
  readonly halfLogLambda: number;
}

/**
 * The bound at the better one of the two grid points beside the optimised prior variance.
 * @param logLambda of the optimised prior variance, 2 rho
 * @param snnError bound on the posterior's training error
 * @param samples N
 */
export function bestBound(
  sums: PosteriorSums,
  logLambda: number,
  snnError: number,
  samples: number,
  setting: BoundSetting,
): PacBayesBound {
  const candidates = gridNeighbours(setting, logLambda).map((j) => {
    const exact = gridLogLambda(setting, j);
    const kl = gaussianKl(sums, exact);
    const rate = boundRate(kl, j, samples, setting);
    return {
      bound: inverseBinaryKl(snnError, rate),
      kl,
      rate,
      snnError,
      j,
      halfLogLambda: exact / 2,
    };
  });
  return candidates.reduce((best, next) => (next.rate < best.rate ? next : best));
}
