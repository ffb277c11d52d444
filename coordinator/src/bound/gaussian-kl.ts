// The relative entropy of the posterior to the prior, from the sums that the posterior's task yields.

/**
 * What the KL needs of Q = N(w, diag(exp(2 s))), the diagonal taken in an orthonormal basis, and of the
 * centre of P = N(theta_0, lambda I). P is isotropic, so that the basis does not matter.
 */
export interface PosteriorSums {
  /** Number of parameters, d. */
  readonly parameters: number;
  /** sum_i exp(2 s_i), the trace of the covariance. */
  readonly varianceSum: number;
  /** sum_i s_i, half the log-determinant of the covariance. */
  readonly logDeviationSum: number;
  /** ||w - theta_0||^2. */
  readonly squaredDistance: number;
}

/**
 * KL(Q || P) = 1/2 [sum_i exp(2 s_i) / lambda + ||w - theta_0||^2 / lambda - d + d log lambda - 2 sum_i s_i]
 * in nats.
 * @param logLambda log of the prior's variance
 */
export function gaussianKl(sums: PosteriorSums, logLambda: number): number {
  const { parameters, varianceSum, logDeviationSum, squaredDistance } = sums;
  const spread = (varianceSum + squaredDistance) * Math.exp(-logLambda);
  return 0.5 * (spread - parameters + parameters * logLambda) - logDeviationSum;
}
