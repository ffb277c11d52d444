// How many tasks a worker takes beyond those that it computes, so that short ones do not wait for messages.

/** Work that a worker has ahead, in ms for each of its threads. */
const AHEAD_MS = 50;
const MOST_AHEAD = 256;
/** Weight of the latest task in the mean. */
const WEIGHT = 0.2;

/**
 * Follows how long tasks take. While they take longer than a few messages, none is held that has no
 * thread: another worker may be free for it.
 */
export class Pace {
  readonly #slots: number;
  #meanMs = Number.POSITIVE_INFINITY;

  /** @param slots tasks that are computed at a time */
  constructor(slots: number) {
    this.#slots = slots;
  }

  /** A task was computed. */
  took(ms: number): void {
    this.#meanMs = Number.isFinite(this.#meanMs) ? (1 - WEIGHT) * this.#meanMs + WEIGHT * ms : ms;
  }

  /** Tasks that are being computed take at least so long: what was learnt of others does not hold. */
  takes(ms: number): void {
    this.#meanMs = Math.max(this.#meanMs, ms);
  }

  /** Tasks to have in hand, those that are computed included. */
  get capacity(): number {
    const ahead = Math.floor((this.#slots * AHEAD_MS) / Math.max(this.#meanMs, 0.01));
    return this.#slots + Math.min(ahead, MOST_AHEAD);
  }
}
