// Tells posteriors that have lost what the network learned, which a bound alone does not show.
import type { BoundRow } from '@kronlens/proto';

export interface TrainedNetwork {
  /** Share of wrong training samples, without noise. */
  readonly trainError: number;
  /** Classes; two on one logit. */
  readonly classes: number;
}

const short = (value: number) => String(Number(value.toPrecision(4)));

/**
 * A sentence for every posterior whose training error is nearer to chance, 1 - 1 / classes, than to that of the
 * trained network; none where the network itself is. Noise that begins too large has the first steps pull the
 * mean back to the prior, and no later step finds the way from there.
 * @param firstScale deviations began at this times |w|
 */
export function drownedPosteriors(
  rows: readonly Pick<BoundRow, 'variant' | 'kl' | 'train_error'>[],
  { trainError, classes }: TrainedNetwork,
  firstScale: number,
): readonly string[] {
  const chance = 1 - 1 / classes;
  if (trainError > chance / 2) return [];
  return rows
    .filter(({ train_error }) => train_error > (trainError + chance) / 2)
    .map(
      ({ variant, kl, train_error }) =>
        `the posterior of ${variant} has lost what the network learned (training error ${train_error.toFixed(4)}, that of the trained network ${trainError.toFixed(4)}, KL ${short(kl)}): let deviations begin smaller, with --first-scale ${short(firstScale / 10)} instead of ${short(firstScale)}, or give it more --epochs`,
    );
}
