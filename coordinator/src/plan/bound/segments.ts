// Cuts the epochs of a variant into tasks: where the basis changes, and where one can resume.
import type { BoundOptions, Variant } from './bound-options.js';

/** Epochs [first, last) in one basis: one task. */
export interface Segment {
  readonly first: number;
  readonly last: number;
  /** Whether the basis is found at the current mean before the first epoch; else it stays as it is. */
  readonly newBasis: boolean;
}

type Schedule = Pick<BoundOptions, 'epochs' | 'interval' | 'decayEpochs' | 'checkpoint'>;

/** Epochs that a basis lasts which is found before epoch `epoch`. */
function basisEpochs(variant: Variant, epoch: number, schedule: Schedule): number {
  const { interval, decayEpochs } = schedule;
  switch (variant) {
    case 'base':
    case 'appr':
      return Infinity;
    case 'iter':
    case 'iter-m':
      return interval;
    case 'iter-d':
      return interval * 10 ** (decayEpochs === 0 ? 0 : Math.floor(epoch / decayEpochs));
  }
}

/** The tasks of a variant, one after the other; without a basis for `base`. */
export function cutSegments(variant: Variant, schedule: Schedule): readonly Segment[] {
  const segments: Segment[] = [];
  let found = 0;
  for (let first = 0; first < schedule.epochs; ) {
    const lasts = basisEpochs(variant, first, schedule);
    const isDue = first === 0 ? variant !== 'base' : first - found >= lasts;
    if (isDue) found = first;
    // The interval may grow on the way, never shrink: a basis that is not due is looked at again.
    const due = found + lasts;
    const last = Math.min(
      schedule.epochs,
      first + schedule.checkpoint,
      due > first ? due : Infinity,
    );
    segments.push({ first, last, newBasis: isDue });
    first = last;
  }
  return segments;
}
