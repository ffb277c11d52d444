// Keeps a thread's most recently used sessions, so that tasks of one program share one.
import type { ProgramMemory } from './program-memory.js';
import type { Session } from './runtime-session.js';

/** A program as a thread has it. */
export interface LoadedProgram {
  readonly session: Session;
  readonly memory: ProgramMemory;
}

/**
 * Sessions by the content id of their program's manifest. A session keeps the memory that its largest execution took,
 * so few are kept: the memory limit of a run is planned for one program at a time in each thread.
 */
export class SessionCache {
  readonly #capacity: number;
  /** Least recently used first. */
  readonly #sessions = new Map<string, LoadedProgram>();

  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  /** The session of a program, loaded when it is not there; the least recently used ones go before. */
  async get(id: string, load: () => Promise<LoadedProgram>): Promise<LoadedProgram> {
    const kept = this.#sessions.get(id);
    if (kept !== undefined) {
      this.#sessions.delete(id);
      this.#sessions.set(id, kept);
      return kept;
    }
    await this.#shrink(this.#capacity - 1);
    const loaded = await load();
    this.#sessions.set(id, loaded);
    return loaded;
  }

  /** Releases all sessions. */
  async clear(): Promise<void> {
    await this.#shrink(0);
  }

  async #shrink(most: number): Promise<void> {
    for (const [id, { session }] of this.#sessions) {
      if (this.#sessions.size <= most) return;
      this.#sessions.delete(id);
      await session.release();
    }
  }
}
