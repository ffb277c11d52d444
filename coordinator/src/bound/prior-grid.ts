// The grid of prior variances that the bound holds for: lambda_j = c exp(-j / b), j = 1, 2, ...

/** What the union bound over the grid is made of. */
export interface PriorGrid {
  /** Steps of the grid per unit of log lambda. */
  readonly b: number;
  /** Upper end of the prior variances; no grid point itself. */
  readonly c: number;
}

/** log lambda_j = log c - j / b. */
export function gridLogLambda({ b, c }: PriorGrid, j: number): number {
  return Math.log(c) - j / b;
}

/** b log(c / lambda): where on the grid a variance lies, a whole number for grid points. */
export function gridPosition({ b, c }: PriorGrid, logLambda: number): number {
  return b * (Math.log(c) - logLambda);
}

/**
 * The grid points on both sides of a variance; one where it lies on the grid (to 1e-9 of a step) or
 * beyond its end.
 * @returns indices j, each at least 1
 */
export function gridNeighbours(grid: PriorGrid, logLambda: number): readonly number[] {
  const position = gridPosition(grid, logLambda);
  const nearest = Math.round(position);
  const around =
    Math.abs(position - nearest) < 1e-9 ? [nearest] : [Math.floor(position), Math.ceil(position)];
  return [...new Set(around.map((j) => Math.max(1, j)))];
}
