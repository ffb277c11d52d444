// Until when a run's process may act for its coordinator.
import { setTimeout as sleep } from 'node:timers/promises';

const LOOK_MS = 100;

/** Compared on the machine's monotonic clock, which its processes share. */
export class LeaseClock {
  readonly #nowNs: () => bigint;
  #untilNs = 0n;

  constructor(nowNs: () => bigint = () => process.hrtime.bigint()) {
    this.#nowNs = nowNs;
  }

  /** The lease was renewed. */
  extend(untilNs: bigint): void {
    if (untilNs > this.#untilNs) this.#untilNs = untilNs;
  }

  get isHeld(): boolean {
    return this.#nowNs() < this.#untilNs;
  }

  /** Waits until the lease is held; a coordinator that has lost it ends this process. */
  async held(): Promise<void> {
    while (!this.isHeld) await sleep(LOOK_MS);
  }
}
