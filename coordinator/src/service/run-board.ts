// The runs that a cluster knows and what is wanted of them, as a coordinator reads and changes them.
import { create, type ErrorReport } from '@kronlens/proto';
import {
  BUCKETS,
  type NatsLink,
  type RecordEntry,
  Records,
  type RunState,
  RunStateSchema,
  type RunStatus,
  type RunWish,
  RunWishSchema,
} from '@kronlens/proto/nats';

/** A run's state, and the revision that whoever changes it has to know. */
export type RunEntry = RecordEntry<RunState>;

export class RunBoard {
  readonly #link: NatsLink;
  readonly #states: Records<typeof RunStateSchema>;
  readonly #wishes: Records<typeof RunWishSchema>;
  /** Sequence numbers of the buckets when they were last read. */
  #read = '';

  constructor(link: NatsLink) {
    this.#link = link;
    this.#states = new Records(link, BUCKETS.runs, RunStateSchema);
    this.#wishes = new Records(link, BUCKETS.wishes, RunWishSchema);
  }

  /** Whether something was written since this was last asked. */
  async hasNews(): Promise<boolean> {
    const sequences = await Promise.all(
      [BUCKETS.runs, BUCKETS.wishes].map(async (name) => {
        const { state } = await this.#link.call('looking for runs', () =>
          this.#link.jsm.streams.info(`KV_${name}`),
        );
        return state.last_seq;
      }),
    );
    const now = sequences.join(' ');
    const isNew = now !== this.#read;
    this.#read = now;
    return isNew;
  }

  /** Runs of a code version, in the order of their submission. */
  async runs(codeVersion: string): Promise<readonly RunEntry[]> {
    const entries = await this.#states.entries();
    return entries
      .filter(({ message }) => message.codeVersion === codeVersion)
      .sort((a, b) => compare(a.message, b.message));
  }

  async run(run: string): Promise<RunEntry | undefined> {
    return await this.#states.entry(run);
  }

  async wishes(): Promise<readonly RunWish[]> {
    return await this.#wishes.all();
  }

  async fulfilled(run: string): Promise<void> {
    await this.#wishes.delete(run);
  }

  /** @returns the entry as it is now; undefined when another coordinator has changed it */
  async change(entry: RunEntry, changes: Partial<RunState>): Promise<RunEntry | undefined> {
    const message = create(RunStateSchema, { ...entry.message, ...changes });
    const revision = await this.#states.replace(message.run, message, entry.revision);
    return revision === undefined ? undefined : { message, revision };
  }

  /** Ends a run that nobody works on. */
  async end(
    entry: RunEntry,
    status: RunStatus.FAILED | RunStatus.CANCELLED,
    error?: ErrorReport,
  ): Promise<void> {
    const endedMs = BigInt(Date.now());
    await this.change(entry, { status, endedMs, ...(error && { error }) });
  }
}

function compare(a: RunState, b: RunState): number {
  const difference = Number(a.submittedMs - b.submittedMs);
  return difference === 0 ? (a.run < b.run ? -1 : 1) : difference;
}
