// A pool of worker threads: jobs go to idle threads in the order of submission; lost threads are replaced.
import { CancelledError, KronlensError } from '@kronlens/proto';
import type { JobKinds } from './messages.js';
import { PoolThread } from './pool-thread.js';

export interface ThreadPoolOptions {
  /** The module that calls `serveJobs`, run by each thread. */
  readonly entry: URL;
  /** The most threads; they are started when they are needed. */
  readonly threads: number;
  /** Gives threads the artifacts that they ask for. */
  readonly artifact: (id: string) => Promise<Uint8Array>;
}

export interface JobOptions {
  /** The job in words, for messages: "batches 0 to 7 of factors". */
  readonly what: string;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((done: number) => void) | undefined;
  /** Jobs of equal affinity share what a thread caches: one that ran such a job is preferred. */
  readonly affinity?: string;
}

interface Waiting {
  start(thread: PoolThread): void;
  refuse(error: unknown): void;
  readonly affinity: string | undefined;
}

/** @typeParam K the kinds of jobs that the entry module serves */
export class ThreadPool<K extends JobKinds> {
  readonly #options: ThreadPoolOptions;
  readonly #threads: PoolThread[] = [];
  readonly #affinities = new WeakMap<PoolThread, string>();
  readonly #waiting: Waiting[] = [];
  readonly #onExit = () => {
    for (const thread of this.#threads) thread.leaveNativeCode();
  };
  #closed: Promise<void> | undefined;

  constructor(options: ThreadPoolOptions) {
    this.#options = options;
    process.on('exit', this.#onExit);
  }

  /**
   * Does a job in a thread.
   * @throws CancelledError when the signal aborts, once the thread has stopped; ThreadLostError
   *   (retryable) when the thread dies; what the job's handler throws, as a KronlensError
   */
  async run<Name extends keyof K & string>(
    name: Name,
    job: K[Name]['job'],
    options: JobOptions,
  ): Promise<K[Name]['answer']> {
    if (this.#closed !== undefined) {
      throw new KronlensError('executor-closed', `${options.what} was asked of a closed executor`);
    }
    const { what, signal, affinity, onProgress } = options;
    if (signal?.aborted === true) throw new CancelledError(what);
    return await new Promise<K[Name]['answer']>((resolve, reject) => {
      let cancel: () => void;
      const onAbort = () => cancel();
      const waiting: Waiting = {
        affinity,
        refuse: (error) => {
          signal?.removeEventListener('abort', onAbort);
          reject(error);
        },
        start: (thread) => {
          const running = thread.run(name, job, what, onProgress);
          cancel = running.cancel;
          running.answer.then(resolve, reject).finally(() => {
            signal?.removeEventListener('abort', onAbort);
            this.#assign();
          });
        },
      };
      cancel = () => {
        this.#waiting.splice(this.#waiting.indexOf(waiting), 1);
        waiting.refuse(new CancelledError(what));
      };
      signal?.addEventListener('abort', onAbort, { once: true });
      this.#waiting.push(waiting);
      this.#assign();
    });
  }

  #assign(): void {
    for (let next = this.#waiting[0]; next !== undefined; next = this.#waiting[0]) {
      const thread = this.#idleThread(next.affinity);
      if (thread === undefined) return;
      this.#waiting.shift();
      next.start(thread);
    }
  }

  #idleThread(affinity: string | undefined): PoolThread | undefined {
    const idle = this.#threads.filter((thread) => thread.isIdle);
    const fitting = idle.find((thread) => this.#affinities.get(thread) === affinity) ?? idle[0];
    const thread = fitting ?? this.#newThread();
    if (thread !== undefined && affinity !== undefined) this.#affinities.set(thread, affinity);
    return thread;
  }

  #newThread(): PoolThread | undefined {
    if (this.#closed !== undefined || this.#threads.length >= this.#options.threads) {
      return undefined;
    }
    const thread = new PoolThread({
      entry: this.#options.entry,
      artifact: this.#options.artifact,
      onLost: (lost) => {
        this.#threads.splice(this.#threads.indexOf(lost), 1);
      },
    });
    this.#threads.push(thread);
    return thread;
  }

  /** Calls off all jobs, waits for the batches that are being computed, and ends the threads. */
  close(): Promise<void> {
    this.#closed ??= (async () => {
      for (const { refuse } of this.#waiting.splice(0)) {
        refuse(new CancelledError('the task'));
      }
      await Promise.all([...this.#threads].map((thread) => thread.stop()));
      process.off('exit', this.#onExit);
    })();
    return this.#closed;
  }
}
