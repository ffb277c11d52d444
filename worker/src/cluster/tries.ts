// Counts how often a task ended in an error that may pass.
import { create } from '@kronlens/proto';
import { BUCKETS, type NatsLink, Records, TaskTriesSchema } from '@kronlens/proto/nats';
import type { Delivery } from './delivery.js';

/** Failures after which a task is given up, whatever its error. */
const MOST_TRIES = 5;
const RETRY_DELAYS_MS = [500, 1000, 2000, 5000];

export class Tries {
  readonly #records: Records<typeof TaskTriesSchema>;

  constructor(link: NatsLink) {
    this.#records = new Records(link, BUCKETS.tries, TaskTriesSchema);
  }

  /**
   * Notes a failure.
   * @returns milliseconds after which to try again; undefined when it was tried often enough
   */
  async failed({ taskId, message }: Delivery): Promise<number | undefined> {
    const earlier = await this.#records.get(taskId);
    const failed = (earlier?.message === message ? earlier.failed : 0) + 1;
    await this.#records.put(taskId, create(TaskTriesSchema, { message, failed }));
    return failed < MOST_TRIES ? (RETRY_DELAYS_MS[failed - 1] ?? 5000) : undefined;
  }
}
