// Numbers that random vectors estimate, with how far they may be off.

export interface Estimate {
  readonly value: number;
  /** Of the value; infinite for a single random vector, 0 where nothing was left to chance. */
  readonly standardError: number;
}

/** A part that is known, and the mean of independent samples of the rest with its standard error. */
export function estimateOf(exact: number, samples: readonly number[]): Estimate {
  const n = samples.length;
  const mean = samples.reduce((sum, value) => sum + value, 0) / n;
  const spread = samples.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  const standardError = n > 1 ? Math.sqrt(spread / (n - 1) / n) : Number.POSITIVE_INFINITY;
  return { value: exact + mean, standardError };
}
