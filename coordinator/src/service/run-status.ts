// What a run's state says, in words; and which states are final.
import { type RunState, RunStatus } from '@kronlens/proto/nats';

const WORDS: Readonly<Record<RunStatus, string>> = {
  [RunStatus.UNSPECIFIED]: 'unknown',
  [RunStatus.WAITING]: 'waiting',
  [RunStatus.RUNNING]: 'running',
  [RunStatus.FINISHED]: 'finished',
  [RunStatus.FAILED]: 'failed',
  [RunStatus.CANCELLED]: 'cancelled',
};

export function statusWord({ status }: Pick<RunState, 'status'>): string {
  return WORDS[status];
}

/** Nothing more will happen to the run. */
export function hasEnded({ status }: Pick<RunState, 'status'>): boolean {
  return status !== RunStatus.WAITING && status !== RunStatus.RUNNING;
}
