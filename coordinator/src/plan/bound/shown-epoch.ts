// One epoch of the minimisation in a few words, for the progress display.
import type { BoundHistoryRow } from '@kronlens/proto';
import { inverseBinaryKl } from '../../bound/index.js';

/**
 * The bound is that of the epoch's own training error at its own prior variance: near the final one, but
 * neither on the grid of prior variances nor confident of the error.
 */
export function shownEpoch({ variant, objective, train_error, penalty }: BoundHistoryRow): string {
  const rate = 2 * penalty ** 2;
  const bound = inverseBinaryKl(Math.min(1, Math.max(0, train_error)), rate);
  return `${variant}: objective ${objective.toFixed(4)}, bound about ${bound.toFixed(4)}`;
}
