// How many tasks of each run may be in the work queue, so that a small run is not kept waiting by a large one.

/** Tasks in the queue for each that is computed, so that no worker waits for the coordinator. */
const AHEAD = 4;
const LEAST = 2;

/**
 * The queue is served in the order of arrival, so runs share the workers as they share the queue:
 * equally.
 * @param slots tasks that all workers together compute at a time
 * @param runs that have tasks
 * @returns tasks of one run
 */
export function fairWindow(slots: number, runs: number): number {
  return Math.max(LEAST, Math.ceil((AHEAD * Math.max(1, slots)) / Math.max(1, runs)));
}
