// What a coordinator says to the processes that it has for its runs.
import type { LinkOptions } from '@kronlens/proto/nats';

export interface StartMessage {
  readonly kind: 'start';
  readonly run: string;
  /** Of the run's state as the coordinator wrote it. */
  readonly revision: number;
  readonly link: LinkOptions;
  /** A folder for this run alone; it is made, and removed in the end. */
  readonly folder: string;
}

/** The coordinator's lease holds until then: nanoseconds of this machine's monotonic clock. */
export interface LeaseMessage {
  readonly kind: 'lease';
  readonly untilNs: string;
}

/** What `fairShare` gives the run. */
export interface WindowMessage {
  readonly kind: 'window';
  readonly share: number;
  readonly most: number;
}

/** The run is cancelled; or only the coordinator stops, and another goes on with the run. */
export interface EndMessage {
  readonly kind: 'cancel' | 'stop';
}

export type RunMessage = StartMessage | LeaseMessage | WindowMessage | EndMessage;

/** How the process of a run ends. */
export const RUN_EXIT = {
  /** The run's state says how it ended. */
  settled: 0,
  /** The coordinator stopped, the run did not. */
  stopped: 3,
  /** Another coordinator has the run. */
  fenced: 4,
} as const;
