// The bound from published numbers: KL, bound on the training error and prior variance as they are printed.
import { inverseBinaryKl } from './binary-kl.js';
import { type BoundSetting, boundRate } from './pac-bayes.js';
import { gridPosition } from './prior-grid.js';

/** What a table of bounds states. */
export interface StatedBound {
  /** KL(Q || P) in nats. */
  readonly kl: number;
  /** Bound on the posterior's training error, from Monte-Carlo samples. */
  readonly snnError: number;
  /** 1/2 log lambda. */
  readonly halfLogLambda: number;
  /** N. */
  readonly samples: number;
}

export interface EvaluatedBound extends StatedBound {
  readonly bound: number;
  /** BRE. */
  readonly rate: number;
  /** Index of the prior variance on the grid. */
  readonly j: number;
  /** Why j is not what lambda says. */
  readonly note: string | undefined;
}

/** Steps of the grid that a prior variance may be off by because it was rounded when printed. */
const ROUNDING = 0.02;

/**
 * The KL belongs to the stated prior variance, so that it cannot be evaluated at another one. A variance
 * between grid points counts as the smaller one, the dearer in the union bound.
 * @throws RangeError as `boundRate` and `inverseBinaryKl`
 */
export function evaluateBound(stated: StatedBound, setting: BoundSetting): EvaluatedBound {
  const position = gridPosition(setting, 2 * stated.halfLogLambda);
  const nearest = Math.round(position);
  const isOnGrid = Math.abs(position - nearest) <= ROUNDING;
  const j = Math.max(1, isOnGrid ? nearest : Math.ceil(position));
  const rate = boundRate(stated.kl, j, stated.samples, setting);
  return {
    ...stated,
    bound: inverseBinaryKl(stated.snnError, rate),
    rate,
    j,
    note:
      position < 1 - ROUNDING
        ? `lambda is above c exp(-1/b), the largest prior variance that the bound covers; j = 1 is taken`
        : isOnGrid
          ? undefined
          : `lambda is c exp(-j/b) with j = ${position.toFixed(2)}, between two prior variances; j = ${j} is taken`,
  };
}
