// The penalty sqrt(BRE / 2) of a PAC-Bayes objective and its derivatives.
// Source: arXiv 2010.04261, section 6; Dziugaite and Roy (2017), with KL(Q||P).

/** Sums over the d parameters that KL depends on. */
export interface GaussianSums {
  /** sum exp(2 s). */
  readonly variance: number;
  /** ||w - theta_0||^2. */
  readonly distance: number;
  /** sum s. */
  readonly logStd: number;
  readonly dimension: number;
}

export interface PenaltyOptions {
  readonly delta: number;
  /** b and c of the grid lambda = c exp(-j / b). */
  readonly precision: number;
  readonly largestVariance: number;
  /** N. */
  readonly samples: number;
}

export interface Penalty {
  readonly kl: number;
  /** sqrt(BRE / 2). */
  readonly value: number;
  /** d value / d KL. */
  readonly slope: number;
  /** d value / d rho, lambda = exp(2 rho). */
  readonly ofRho: number;
}

/** KL(Q||P) = 1/2 [(sum exp(2 s) + ||w - theta_0||^2) / lambda - d + d log lambda - 2 sum s]. */
export function gaussianKl(sums: GaussianSums, rho: number): number {
  const { variance, distance, logStd, dimension } = sums;
  return ((variance + distance) * Math.exp(-2 * rho) - dimension) / 2 + dimension * rho - logStd;
}

/** The largest rho on the grid: j = 1. */
export function largestRho({ precision, largestVariance }: PenaltyOptions): number {
  return (Math.log(largestVariance) - 1 / precision) / 2;
}

/** @param rho at most `largestRho` */
export function penaltyAt(sums: GaussianSums, rho: number, options: PenaltyOptions): Penalty {
  const { delta, precision, largestVariance, samples } = options;
  const kl = gaussianKl(sums, rho);
  const room = Math.log(largestVariance) - 2 * rho;
  const constant = Math.log((Math.PI ** 2 * samples) / (6 * delta));
  const bre = (kl + 2 * Math.log(precision * room) + constant) / (samples - 1);
  const value = Math.sqrt(bre / 2);
  const slope = 1 / (4 * value * (samples - 1));
  const ofKl = sums.dimension - (sums.variance + sums.distance) * Math.exp(-2 * rho);
  return { kl, value, slope, ofRho: slope * (ofKl - 4 / room) };
}
