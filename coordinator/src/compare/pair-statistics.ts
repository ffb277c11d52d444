// Mean and standard deviation over pairs of runs.

export interface PairStatistics {
  readonly count: number;
  readonly mean: number;
  /** Divisor count - 1; null for a single value. */
  readonly deviation: number | null;
}

/** @throws Error for no values */
export function pairStatistics(values: readonly number[]): PairStatistics {
  const count = values.length;
  if (count === 0) throw new Error('no values have no mean');
  const mean = values.reduce((sum, value) => sum + value, 0) / count;
  if (count === 1) return { count, mean, deviation: null };
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return { count, mean, deviation: Math.sqrt(squares / (count - 1)) };
}

/** Every pair (a, b) of 0..count-1 with a < b, in order. */
export function pairsOf(count: number): readonly (readonly [number, number])[] {
  return Array.from({ length: count }, (_, a) =>
    Array.from({ length: count - a - 1 }, (_, offset) => [a, a + 1 + offset] as const),
  ).flat();
}
