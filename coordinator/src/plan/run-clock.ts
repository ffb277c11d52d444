// Takes the times of a run and of its stages.

export class RunClock {
  /** When the run began, ISO 8601. */
  readonly started = new Date().toISOString();
  readonly #startMs = performance.now();
  readonly #stagesMs: Record<string, number> = {};

  /** Runs a stage and notes how long it took. */
  async timed<T>(stage: string, work: () => Promise<T>): Promise<T> {
    const startMs = performance.now();
    try {
      return await work();
    } finally {
      this.#stagesMs[stage] = Math.round(performance.now() - startMs);
    }
  }

  get elapsedMs(): number {
    return Math.round(performance.now() - this.#startMs);
  }

  get stagesMs(): Readonly<Record<string, number>> {
    return this.#stagesMs;
  }
}
