// Quotients that are undefined rather than infinite or NaN.

/** @returns null where the denominator is 0 */
export function quotient(numerator: number, denominator: number): number | null {
  return denominator === 0 ? null : numerator / denominator;
}
