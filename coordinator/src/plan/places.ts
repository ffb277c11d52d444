// Lets so many pieces of work be under way at a time; others wait their turn.

export class Places {
  #free: number;
  readonly #waiting: { resolve(): void; reject(reason: unknown): void }[] = [];
  #closed: { readonly reason: unknown } | undefined;

  /** @param count pieces of work at a time */
  constructor(count: number) {
    this.#free = count;
  }

  /** Resolves, in the order of the calls, when there is a place. @throws why no more work is wanted */
  async take(): Promise<void> {
    if (this.#closed !== undefined) throw this.#closed.reason;
    if (this.#free > 0) this.#free -= 1;
    else await new Promise<void>((resolve, reject) => this.#waiting.push({ resolve, reject }));
  }

  giveBack(): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#free += 1;
    else next.resolve();
  }

  /** No more work is wanted. */
  close(reason: unknown): void {
    this.#closed ??= { reason };
    for (const { reject } of this.#waiting.splice(0)) reject(reason);
  }
}
