// Numbers that were estimated with random vectors, with their standard errors.

export interface Estimate {
  readonly value: number;
  readonly standardError: number;
}

/** sqrt(a) of an estimate that is not negative but for chance, with its standard error to first order. */
export function rootOf({ value, standardError }: Estimate): Estimate {
  const root = Math.sqrt(Math.max(0, value));
  const most = Math.sqrt(standardError);
  return {
    value: root,
    standardError: root > 0 ? Math.min(most, standardError / (2 * root)) : most,
  };
}

/**
 * sqrt(a / b) of two estimates, with its standard error to first order; a and b are taken as
 * independent.
 * @returns null where b is not positive
 */
export function rootOfQuotient(a: Estimate, b: Estimate): Estimate | null {
  if (!(b.value > 0)) return null;
  const value = Math.sqrt(Math.max(0, a.value) / b.value);
  // d sqrt(a / b) = (da / b - value^2 db / b) / (2 value)
  const spread = Math.hypot(a.standardError, value ** 2 * b.standardError) / b.value;
  // Near 0 the root is no longer linear; its spread is then the root of that of the square.
  const standardError = Math.min(Math.sqrt(spread), spread / (2 * value || Number.MIN_VALUE));
  return { value, standardError };
}
