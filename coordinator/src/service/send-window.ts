// How many tasks of a run may be in the work queue, so that a small run is not kept waiting by a large one.

/** Tasks in the queue for each that is computed, so that no worker waits for the coordinator. */
const AHEAD = 4;
const LEAST = 2;
/** Tasks of all runs together where they are short. */
const MOST = 256;
/** Short tasks are queued as many as are done in this time: others wait no longer for them. */
const QUEUED_MS = 200;
/** Over how much time the pace of a run is measured. */
const MEASURED_MS = 1000;

/**
 * The queue is served in the order of arrival, so runs share the workers as they share the queue:
 * equally.
 * @param slots tasks that all workers together compute at a time
 * @param runs that have tasks
 * @returns tasks of one run, and as many as it may have when they are short
 */
export function fairShare(slots: number, runs: number): { share: number; most: number } {
  const sharers = Math.max(1, runs);
  const share = Math.max(LEAST, Math.ceil((AHEAD * Math.max(1, slots)) / sharers));
  return { share, most: Math.max(share, Math.ceil(MOST / sharers)) };
}

/** The window of one run, which follows the pace at which its tasks are done. */
export class SendWindow {
  readonly #now: () => number;
  #share: number;
  #most: number;
  #done = 0;
  #sinceMs: number;
  #perMs = 0;

  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
    this.#sinceMs = now();
    const { share, most } = fairShare(1, 1);
    this.#share = share;
    this.#most = most;
  }

  /** See `fairShare`. */
  set(share: number, most: number): void {
    this.#share = share;
    this.#most = most;
  }

  /** A task is done. */
  done(): void {
    this.#done += 1;
    const nowMs = this.#now();
    const ms = nowMs - this.#sinceMs;
    if (ms < MEASURED_MS && this.#done < MOST) return;
    this.#perMs = this.#done / Math.max(ms, 1);
    this.#sinceMs = nowMs;
    this.#done = 0;
  }

  /** Tasks that may be sent and not yet answered. */
  get size(): number {
    const short = Math.min(this.#most, Math.floor(this.#perMs * QUEUED_MS));
    return Math.max(this.#share, short);
  }
}
