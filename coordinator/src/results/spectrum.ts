// Eigenvalues of one operator of one layer, out of the rows of spectra.arrow.
import type { SpectrumRow } from '@kronlens/proto';

/** float32 programs do not resolve eigenvalues below this share of the largest one. */
export const RESOLUTION = 2 ** -24;

export interface Spectrum {
  /** Largest first. */
  readonly eigenvalues: readonly number[];
  /** How many of the leading pairs have converged; all where the decomposition is exact. */
  readonly converged: number;
}

/** By operator, of one layer. */
export function layerSpectra(
  rows: readonly SpectrumRow[],
  layer: string,
): ReadonlyMap<string, Spectrum> {
  const byOperator = new Map<string, SpectrumRow[]>();
  for (const row of rows) {
    if (row.layer !== layer) continue;
    const known = byOperator.get(row.operator);
    if (known === undefined) byOperator.set(row.operator, [row]);
    else known.push(row);
  }
  return new Map(
    [...byOperator].map(([operator, own]) => {
      const sorted = [...own].sort((a, b) => a.index - b.index);
      const failed = sorted.findIndex(({ converged }) => !converged);
      return [
        operator,
        {
          eigenvalues: sorted.map(({ eigenvalue }) => eigenvalue),
          converged: failed < 0 ? sorted.length : failed,
        },
      ];
    }),
  );
}

/** The number of eigenvalues above 0 that float32 programs can tell from it. */
export function numericalRank(eigenvalues: readonly number[]): number {
  const largest = eigenvalues[0] ?? 0;
  if (largest <= 0) return 0;
  const floor = noiseFloor(eigenvalues);
  return eigenvalues.filter((value) => value > floor).length;
}

/** Sizes of the eigenvalues below 0 that can be told from it, largest first. */
export function negativeSizes(eigenvalues: readonly number[]): readonly number[] {
  const floor = noiseFloor(eigenvalues);
  const sizes = eigenvalues.filter((value) => value < -floor).map((value) => -value);
  return sizes.sort((a, b) => b - a);
}

function noiseFloor(eigenvalues: readonly number[]): number {
  return RESOLUTION * Math.max(0, ...eigenvalues.map(Math.abs));
}
