// The tasks that a run waits for: in which order they go out, and who gets the answer.
import type { Task, TaskResult } from '@kronlens/proto';
import type { IsBearable } from '../plan/queue.js';

/** A task that was submitted and has no result yet. */
export interface Wanted {
  readonly id: string;
  readonly task: Task;
  readonly result: Promise<TaskResult>;
  readonly isBearable: IsBearable;
  /** Milliseconds of `performance.now()` when it was last sent; undefined: not yet. */
  sentMs: number | undefined;
  resolve(result: TaskResult): void;
  reject(reason: unknown): void;
}

/** Tasks by id, in the order of their submission; only so many are sent at a time. */
export class Outstanding {
  readonly #wanted = new Map<string, Wanted>();
  readonly #waiting: Wanted[] = [];
  readonly #most: () => number;
  #sent = 0;

  /** @param most tasks that may be sent and not yet answered, as things are */
  constructor(most: () => number) {
    this.#most = most;
  }

  get size(): number {
    return this.#wanted.size;
  }

  get(id: string): Wanted | undefined {
    return this.#wanted.get(id);
  }

  add(id: string, task: Task, isBearable: IsBearable): Wanted {
    const { promise, resolve, reject } = withResolvers<TaskResult>();
    const wanted: Wanted = {
      id,
      task,
      result: promise,
      isBearable,
      sentMs: undefined,
      resolve,
      reject,
    };
    this.#wanted.set(id, wanted);
    this.#waiting.push(wanted);
    return wanted;
  }

  /** The next task to be sent, where one more may be. It counts as sent. */
  next(): Wanted | undefined {
    if (this.#sent >= this.#most()) return undefined;
    const next = this.#waiting.shift();
    if (next === undefined) return undefined;
    next.sentMs = performance.now();
    this.#sent += 1;
    return next;
  }

  /** Those that were sent more than `ms` ago. */
  sentBefore(ms: number): readonly Wanted[] {
    const limit = performance.now() - ms;
    return this.sent().filter(({ sentMs }) => sentMs !== undefined && sentMs <= limit);
  }

  sent(): readonly Wanted[] {
    return [...this.#wanted.values()].filter(({ sentMs }) => sentMs !== undefined);
  }

  /** Takes the task out. @returns undefined when it was taken already */
  take(id: string): Wanted | undefined {
    const wanted = this.#wanted.get(id);
    if (wanted === undefined) return undefined;
    this.#wanted.delete(id);
    if (wanted.sentMs !== undefined) this.#sent -= 1;
    return wanted;
  }

  /** Takes all tasks out. */
  takeAll(): readonly Wanted[] {
    const all = [...this.#wanted.values()];
    this.#wanted.clear();
    this.#waiting.length = 0;
    this.#sent = 0;
    return all;
  }
}

function withResolvers<T>() {
  let resolve: (value: T) => void = () => {};
  let reject: (reason: unknown) => void = () => {};
  const promise = new Promise<T>((a, b) => {
    resolve = a;
    reject = b;
  });
  return { promise, resolve, reject };
}
