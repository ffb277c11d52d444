// The rows of bounds.arrow and posterior_kl.arrow, from a posterior's parts and its errors.
import type { BoundRow, PosteriorKlRow } from '@kronlens/proto';
import {
  type BoundSetting,
  bestBound,
  gaussianKl,
  monteCarloBound,
  type PacBayesBound,
} from '../../bound/index.js';
import type { Parameter } from '../../programs/index.js';
import type { BoundOptions, Variant } from './bound-options.js';
import type { PosteriorErrors } from './draws-stage.js';
import { type PosteriorParts, totalSums } from './posterior-parts.js';

/** The bound of a posterior whose training error was estimated. @param samples N */
export function boundOf(
  { parts, rho }: PosteriorParts,
  train: Pick<PosteriorErrors, 'error' | 'draws'>,
  samples: number,
  options: BoundSetting,
): PacBayesBound {
  const snn = monteCarloBound(train.error, train.draws, options);
  return bestBound(totalSums(parts), 2 * rho, snn, samples, options);
}

export function boundRow(
  variant: Variant,
  found: PacBayesBound,
  train: PosteriorErrors,
  test: PosteriorErrors | undefined,
  samples: number,
  { epochs, seed }: BoundOptions,
): BoundRow {
  return {
    variant,
    bound: found.bound,
    kl: found.kl,
    snn_error: found.snnError,
    train_error: train.error,
    test_error: test?.error ?? null,
    half_log_lambda: found.halfLogLambda,
    n: samples,
    epochs,
    seed,
    j: found.j,
    mc_samples: train.draws,
    train_error_standard_error: train.standardError,
    test_error_standard_error: test?.standardError ?? null,
    mean_train_error: train.meanError,
    mean_test_error: test?.meanError ?? null,
  };
}

/** Each parameter's part of the KL at the bound's prior variance. */
export function klRows(
  variant: Variant,
  { parts }: PosteriorParts,
  parameters: readonly Parameter[],
  { halfLogLambda }: PacBayesBound,
): readonly PosteriorKlRow[] {
  const layers = new Map(parameters.map(({ name, layer }) => [name, layer?.name ?? null]));
  return parts.map(({ parameter, sums }) => ({
    variant,
    parameter,
    layer: layers.get(parameter) ?? null,
    dimension: sums.parameters,
    kl: gaussianKl(sums, 2 * halfLogLambda),
    variance_sum: sums.varianceSum,
    log_deviation_sum: sums.logDeviationSum,
    squared_distance: sums.squaredDistance,
  }));
}
