// Says on the server that this worker is there, again and again, since entries expire.
import { hostname } from 'node:os';
import { create } from '@kronlens/proto';
import { BUCKETS, type NatsLink, Records, WorkerEntrySchema } from '@kronlens/proto/nats';

/** Well below the time after which entries expire. */
const RENEW_MS = 8000;

export interface PresenceFacts {
  readonly name: string;
  readonly codeVersion: string;
  readonly device: string;
  readonly concurrency: number;
  /** For all tasks together. */
  readonly memoryBytes: number;
  readonly store: string;
  readonly hardware: Readonly<Record<string, string>>;
}

/** A worker's entry in the bucket of workers. */
export class Presence {
  readonly #records: Records<typeof WorkerEntrySchema>;
  readonly #facts: PresenceFacts;
  readonly #busy: () => number;
  readonly #timer: NodeJS.Timeout;
  #writing: Promise<void> = Promise.resolve();

  /** @param busy tells how many tasks are worked on */
  constructor(link: NatsLink, facts: PresenceFacts, busy: () => number) {
    this.#records = new Records(link, BUCKETS.workers, WorkerEntrySchema);
    this.#facts = facts;
    this.#busy = busy;
    this.#timer = setInterval(() => this.renew(), RENEW_MS);
    this.renew();
  }

  /** Writes the entry. A failure is left to the next time. */
  renew(): void {
    const entry = create(WorkerEntrySchema, {
      ...this.#facts,
      hardware: { ...this.#facts.hardware },
      host: hostname(),
      pid: process.pid,
      memoryBytes: BigInt(this.#facts.memoryBytes),
      busy: this.#busy(),
    });
    this.#writing = this.#records.put(this.#facts.name, entry).catch(() => {});
  }

  /** Removes the entry. */
  async end(): Promise<void> {
    clearInterval(this.#timer);
    await this.#writing;
    await this.#records.delete(this.#facts.name).catch(() => {});
  }
}
