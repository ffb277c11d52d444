// The lease that makes one coordinator of a code version the active one; others wait for it to lapse.
import { create } from '@kronlens/proto';
import {
  BUCKETS,
  type CoordinatorLease,
  CoordinatorLeaseSchema,
  type NatsLink,
  Records,
  token,
} from '@kronlens/proto/nats';

export interface LeaseOptions {
  readonly link: NatsLink;
  readonly codeVersion: string;
  /** The coordinator's name. */
  readonly name: string;
  /** Others may take it when it was not renewed for so long. */
  readonly ttlMs: number;
  /** Milliseconds on any fixed origin. */
  readonly now?: () => number;
}

/**
 * A record that is only ever replaced as the one that was read: of several coordinators that want
 * it, one gets it. Clocks of machines are not compared; a lease lapses for an observer when its
 * record stayed the same for the time-to-live on the observer's own clock.
 */
export class Lease {
  readonly #options: LeaseOptions;
  readonly #records: Records<typeof CoordinatorLeaseSchema>;
  readonly #key: string;
  readonly #now: () => number;
  /** What is known of the record, and since when it is so. */
  #seen: { readonly revision: number; readonly sinceMs: number } | undefined;
  #held: { readonly message: CoordinatorLease; readonly revision: number } | undefined;
  #validUntilMs = 0;

  constructor(options: LeaseOptions) {
    this.#options = options;
    this.#records = new Records(options.link, BUCKETS.coordinators, CoordinatorLeaseSchema);
    this.#key = token(options.codeVersion);
    this.#now = options.now ?? (() => performance.now());
  }

  /** Grows with every holder; undefined: it is not ours. */
  get epoch(): bigint | undefined {
    return this.#held?.message.epoch;
  }

  /** Until when nobody else can have taken it, on the clock `now`. */
  get validUntilMs(): number {
    return this.#validUntilMs;
  }

  /** Takes the lease where it is free or has lapsed. @returns whether it is ours now */
  async take(): Promise<boolean> {
    const startMs = this.#now();
    const entry = await this.#records.entry(this.#key);
    if (entry !== undefined && !this.#isFree(entry.message, entry.revision)) return false;
    return await this.#write(
      {
        coordinator: this.#options.name,
        epoch: (entry?.message.epoch ?? 0n) + 1n,
        renewals: 0n,
      },
      entry?.revision ?? 0,
      startMs,
    );
  }

  #isFree({ coordinator, ttlMs }: CoordinatorLease, revision: number): boolean {
    const nowMs = this.#now();
    if (coordinator === '') return true;
    if (this.#seen?.revision !== revision) this.#seen = { revision, sinceMs: nowMs };
    return nowMs - this.#seen.sinceMs > ttlMs;
  }

  /**
   * Renews it; also after it has lapsed, when nobody took it meanwhile.
   * @returns false when it is another's
   */
  async renew(): Promise<boolean> {
    const held = this.#held;
    if (held === undefined) return false;
    const { coordinator, epoch, renewals } = held.message;
    const next = { coordinator, epoch, renewals: renewals + 1n };
    return await this.#write(next, held.revision, this.#now());
  }

  /** Lets another have it at once. */
  async giveBack(): Promise<void> {
    const held = this.#held;
    if (held === undefined) return;
    this.#held = undefined;
    this.#validUntilMs = 0;
    const free = create(CoordinatorLeaseSchema, { ...held.message, coordinator: '' });
    await this.#records.replace(this.#key, free, held.revision);
  }

  async #write(
    facts: Pick<CoordinatorLease, 'coordinator' | 'epoch' | 'renewals'>,
    known: number,
    startMs: number,
  ): Promise<boolean> {
    const { ttlMs } = this.#options;
    const message = create(CoordinatorLeaseSchema, { ...facts, ttlMs });
    const revision = await this.#records.replace(this.#key, message, known);
    this.#held = revision === undefined ? undefined : { message, revision };
    // Counted from before the request: the record may be older than its answer.
    this.#validUntilMs = revision === undefined ? 0 : startMs + ttlMs;
    return revision !== undefined;
  }
}
