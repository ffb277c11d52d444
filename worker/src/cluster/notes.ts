// What this worker has in hand, written on the server before it begins: if it is lost, its notes stay.
import { create } from '@kronlens/proto';
import { BUCKETS, type NatsLink, Records, WorkerNotesSchema } from '@kronlens/proto/nats';

/** Removals that nobody waits for are written after so long. */
const TIDY_MS = 300;

/** The notes of one worker. Changes that come while one write is under way share the next. */
export class Notes {
  readonly #records: Records<typeof WorkerNotesSchema>;
  readonly #worker: string;
  readonly #messages = new Set<bigint>();
  #current: Promise<void> = Promise.resolve();
  #next: Promise<void> | undefined;
  #tidying: NodeJS.Timeout | undefined;
  #isWritten = false;

  constructor(link: NatsLink, worker: string) {
    this.#records = new Records(link, BUCKETS.notes, WorkerNotesSchema);
    this.#worker = worker;
  }

  /** Notes a message of the task stream. Resolves when the server has it. @throws the link's errors */
  async add(message: bigint): Promise<void> {
    this.#messages.add(message);
    await this.#write();
  }

  /** Removes one that may be delivered again: nobody must count it against this worker then. */
  async takeBack(message: bigint): Promise<void> {
    if (this.#messages.delete(message)) await this.#write();
  }

  /** Removes one that is settled for good; the server hears of it by and by. */
  forget(message: bigint): void {
    if (!this.#messages.delete(message) || this.#tidying !== undefined) return;
    this.#tidying = setTimeout(() => {
      this.#tidying = undefined;
      this.#write().catch(() => {});
    }, TIDY_MS);
    this.#tidying.unref();
  }

  #write(): Promise<void> {
    this.#next ??= this.#current
      .catch(() => {})
      .then(() => {
        this.#next = undefined;
        this.#isWritten = true;
        const messages = [...this.#messages].sort((a, b) => (a < b ? -1 : 1));
        const notes = create(WorkerNotesSchema, { worker: this.#worker, messages });
        this.#current = this.#records.put(this.#worker, notes);
        return this.#current;
      });
    return this.#next;
  }

  /** The worker leaves: with nothing in hand, nothing of it stays. */
  async end(): Promise<void> {
    clearTimeout(this.#tidying);
    await (this.#next ?? this.#current).catch(() => {});
    if (this.#isWritten && this.#messages.size === 0)
      await this.#records.delete(this.#worker).catch(() => {});
  }
}
