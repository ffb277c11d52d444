// Which workers had a task and were not heard of again: tasks that end their workers are found by this.
import { KronlensError } from '@kronlens/proto';
import {
  BUCKETS,
  type NatsLink,
  Records,
  type WorkerNotes,
  WorkerNotesSchema,
} from '@kronlens/proto/nats';

/** Workers that a task may cost. */
export const MOST_LOST = 3;
/** Well below any ack-wait: a task comes again only that long after its worker was lost. */
const FRESH_MS = 500;

/** Workers ended, or were lost, one after the other while they had the task. */
export class DeadlyTaskError extends KronlensError {
  readonly workers: readonly string[];

  /** @param what the task in words */
  constructor(what: string, workers: readonly string[]) {
    const names = workers.join(', ');
    super(
      'deadly-task',
      `${what} ended ${workers.length} workers while they worked on it (${names}); look at their logs, most likely they ran out of memory`,
      { details: { workers: names } },
    );
    this.workers = workers;
  }
}

/** Looks at the notes of all workers but one. */
export class LostWorkers {
  readonly #records: Records<typeof WorkerNotesSchema>;
  readonly #self: string;
  #notes: Promise<readonly WorkerNotes[]> = Promise.resolve([]);
  #readMs = Number.NEGATIVE_INFINITY;

  /** @param self the worker that asks: a message that came twice to it says nothing about the task */
  constructor(link: NatsLink, self: string) {
    this.#records = new Records(link, BUCKETS.notes, WorkerNotesSchema);
    this.#self = self;
  }

  /** Names of workers that have noted the message and not settled it. */
  async of(message: bigint): Promise<readonly string[]> {
    const now = performance.now();
    if (now - this.#readMs > FRESH_MS) {
      this.#readMs = now;
      this.#notes = this.#records.all();
    }
    return (await this.#notes)
      .filter(({ worker, messages }) => worker !== this.#self && messages.includes(message))
      .map(({ worker }) => worker);
  }
}
