// Where a run's tasks go: one interface for the embedded executor and, on a cluster, a message queue.
import type { Task, TaskResult } from '@kronlens/proto';

/** Takes tasks and answers with their results. Results are recorded, so a repeated task is cheap. */
export interface Queue {
  /**
   * Tasks start in the order of submission, as workers become free.
   * @param isBearable of an error: whether it fails this task alone; by default none is
   * @throws the task's error; after the first failure or an interruption, every task that has not
   *   started yet is refused with the same reason
   */
  submit(task: Task, isBearable?: IsBearable): Promise<TaskResult>;
  /** Resolves when no task is running any more. Call it before the executor is closed. */
  idle(): Promise<void>;
}

export type IsBearable = (error: unknown) => boolean;

export type Execute = (task: Task, signal: AbortSignal) => Promise<TaskResult>;

export interface LocalQueueOptions {
  readonly execute: Execute;
  /** Tasks that run at the same time. */
  readonly parallelism: number;
  /** Interrupts the run. */
  readonly signal: AbortSignal;
}

interface Waiting {
  readonly task: Task;
  readonly isBearable: IsBearable;
  readonly resolve: (result: TaskResult) => void;
  readonly reject: (reason: unknown) => void;
}

/** Runs tasks in this process, at most `parallelism` at a time. */
export class LocalQueue implements Queue {
  readonly #options: LocalQueueOptions;
  readonly #waiting: Waiting[] = [];
  readonly #failure = new AbortController();
  readonly #signal: AbortSignal;
  readonly #onIdle: (() => void)[] = [];
  #running = 0;

  constructor(options: LocalQueueOptions) {
    this.#options = options;
    this.#signal = AbortSignal.any([options.signal, this.#failure.signal]);
    this.#signal.addEventListener('abort', () => this.#refuseWaiting(), { once: true });
  }

  submit(task: Task, isBearable: IsBearable = () => false): Promise<TaskResult> {
    return new Promise((resolve, reject) => {
      if (this.#signal.aborted) return reject(this.#signal.reason);
      this.#waiting.push({ task, isBearable, resolve, reject });
      this.#fill();
    });
  }

  idle(): Promise<void> {
    if (this.#running === 0) return Promise.resolve();
    return new Promise((resolve) => this.#onIdle.push(resolve));
  }

  #fill(): void {
    while (this.#running < this.#options.parallelism) {
      const next = this.#waiting.shift();
      if (next === undefined) return;
      this.#running += 1;
      void this.#run(next);
    }
  }

  async #run({ task, isBearable, resolve, reject }: Waiting): Promise<void> {
    try {
      resolve(await this.#options.execute(task, this.#signal));
    } catch (error) {
      const reason = this.#signal.aborted ? this.#signal.reason : error;
      reject(reason);
      if (!isBearable(reason)) this.#failure.abort(reason);
    } finally {
      this.#running -= 1;
      this.#fill();
      if (this.#running === 0) for (const resolveIdle of this.#onIdle.splice(0)) resolveIdle();
    }
  }

  #refuseWaiting(): void {
    for (const { reject } of this.#waiting.splice(0)) reject(this.#signal.reason);
  }
}
