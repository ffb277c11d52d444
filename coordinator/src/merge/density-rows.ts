// Rows of density.arrow: how the eigenvalues of a layer's exact block are distributed.
import type { DensityRow } from '@kronlens/proto';

/** Point masses from stochastic Lanczos quadrature, probe after probe. */
export interface QuadratureMasses {
  readonly nodes: Float64Array;
  readonly weights: Float64Array;
  /** Random start vectors; each has an equal share of the nodes. */
  readonly probes: number;
}

export type DensityMass = Pick<DensityRow, 'probe' | 'eigenvalue' | 'weight'>;

/** All eigenvalues are known: each has the same mass. */
export function exactMasses(eigenvalues: Float64Array): readonly DensityMass[] {
  const weight = 1 / eigenvalues.length;
  return Array.from(eigenvalues, (eigenvalue) => ({ probe: null, eigenvalue, weight }));
}

/** Nodes with their weights; those without any, which an early end leaves behind, are left out. */
export function quadratureMasses(density: QuadratureMasses): readonly DensityMass[] {
  const { nodes, weights, probes } = density;
  const steps = nodes.length / probes;
  return Array.from(nodes, (eigenvalue, at) => ({
    probe: Math.floor(at / steps),
    eigenvalue,
    weight: weights[at] as number,
  })).filter(({ weight }) => weight > 0);
}

/** @param operator the exact block's name in spectra.arrow */
export function densityRows(
  layer: string,
  operator: string,
  masses: readonly DensityMass[],
): DensityRow[] {
  return masses.map((mass) => ({ layer, operator, ...mass }));
}
