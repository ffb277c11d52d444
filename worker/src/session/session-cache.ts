// Keeps a thread's most recently used sessions, so that tasks of one program share one.
import type { Session } from './runtime-session.js';

/**
 * Sessions by their model's content id. A session keeps the memory that its largest execution took,
 * so few are kept: the memory limit of a run is planned for one program at a time in each thread.
 */
export class SessionCache {
  readonly #capacity: number;
  /** Least recently used first. */
  readonly #sessions = new Map<string, Session>();

  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  /** The session of a model, loaded when it is not there; the least recently used ones go before. */
  async get(id: string, load: () => Promise<Session>): Promise<Session> {
    const kept = this.#sessions.get(id);
    if (kept !== undefined) {
      this.#sessions.delete(id);
      this.#sessions.set(id, kept);
      return kept;
    }
    await this.#shrink(this.#capacity - 1);
    const session = await load();
    this.#sessions.set(id, session);
    return session;
  }

  /** Releases all sessions. */
  async clear(): Promise<void> {
    await this.#shrink(0);
  }

  async #shrink(most: number): Promise<void> {
    for (const [id, session] of this.#sessions) {
      if (this.#sessions.size <= most) return;
      this.#sessions.delete(id);
      await session.release();
    }
  }
}
