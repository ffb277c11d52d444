// A pool of worker threads: jobs go to idle threads in the order of submission; lost threads are replaced.
import { CancelledError, KronlensError } from '@kronlens/proto';
import type { JobKinds } from './messages.js';
import { type JobListener, PoolThread } from './pool-thread.js';

export interface ThreadPoolOptions {
  /** The module that calls `serveJobs`, run by each thread. */
  readonly entry: URL;
  /** The most threads; they are started when they are needed. */
  readonly threads: number;
  /** Gives threads the artifacts that they ask for. */
  readonly artifact: (id: string) => Promise<Uint8Array>;
}

export interface JobOptions extends JobListener {
  /** The job in words, for messages: "batches 0 to 7 of factors". */
  readonly what: string;
  readonly signal?: AbortSignal | undefined;
  /** Jobs of equal affinity share what a thread caches: one that ran such a job is preferred. */
  readonly affinity?: string;
}

/** What one job of a lease may say beside what the lease says. */
export interface LeasedJobOptions {
  readonly onProgress?: ((done: number) => void) | undefined;
  /** Memory of the job that moves to the thread instead of being copied. */
  readonly transfer?: readonly ArrayBuffer[];
}

/** A thread that does one user's jobs and no others, so that it can keep what they need between them. */
export interface Lease<K extends JobKinds> {
  /**
   * Does a job in the thread, as `ThreadPool.run` does; one at a time.
   * @throws CancelledError also when the pool is closed
   */
  run<Name extends keyof K & string>(
    name: Name,
    job: K[Name]['job'],
    options?: LeasedJobOptions,
  ): Promise<K[Name]['answer']>;
  /** Gives the thread back, whatever it still keeps. */
  release(): void;
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
    const { signal } = options;
    return await this.#onThread(options, (thread) => {
      const running = thread.run(name, job, options.what, options);
      return answerUnlessAborted<K[Name]['answer']>(running, signal);
    });
  }

  /**
   * Waits for a thread and keeps it until `release`.
   * @throws CancelledError when the signal aborts, here and in the lease's jobs
   */
  async lease(options: Omit<JobOptions, keyof JobListener>): Promise<Lease<K>> {
    const thread = await this.#onThread(options, async (found) => {
      found.leased = true;
      return found;
    });
    return this.#leaseOf(thread, options);
  }

  /** A lease of a thread that is idle now, when nobody waits for one; else undefined. */
  leaseIdle(options: Omit<JobOptions, keyof JobListener>): Lease<K> | undefined {
    if (this.#waiting.length > 0) return undefined;
    const thread = this.#idleThread(options.affinity);
    if (thread === undefined) return undefined;
    thread.leased = true;
    return this.#leaseOf(thread, options);
  }

  #leaseOf(thread: PoolThread, { what, signal }: Omit<JobOptions, keyof JobListener>): Lease<K> {
    return {
      run: async (name, job, { onProgress, transfer } = {}) => {
        if (this.#closed !== undefined || signal?.aborted === true) throw new CancelledError(what);
        const running = thread.run(name, job, what, { onProgress }, transfer);
        return await answerUnlessAborted(running, signal);
      },
      release: () => {
        thread.leased = false;
        this.#assign();
      },
    };
  }

  /** Waits for a thread and uses it. @throws CancelledError when the signal aborts while it waits */
  async #onThread<T>(
    { what, signal, affinity }: JobOptions,
    use: (thread: PoolThread) => Promise<T>,
  ): Promise<T> {
    if (this.#closed !== undefined) {
      throw new KronlensError('executor-closed', `${what} was asked of a closed executor`);
    }
    if (signal?.aborted === true) throw new CancelledError(what);
    return await new Promise<T>((resolve, reject) => {
      const leave = () => {
        this.#waiting.splice(this.#waiting.indexOf(waiting), 1);
        reject(new CancelledError(what));
      };
      const waiting: Waiting = {
        affinity,
        refuse: (error) => {
          signal?.removeEventListener('abort', leave);
          reject(error);
        },
        start: (thread) => {
          signal?.removeEventListener('abort', leave);
          use(thread)
            .then(resolve, reject)
            .finally(() => this.#assign());
        },
      };
      signal?.addEventListener('abort', leave, { once: true });
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

/** The answer of a running job, which is cancelled when the signal aborts. */
async function answerUnlessAborted<T>(
  running: { readonly answer: Promise<unknown>; cancel(): void },
  signal: AbortSignal | undefined,
): Promise<T> {
  signal?.addEventListener('abort', running.cancel, { once: true });
  try {
    return (await running.answer) as T;
  } finally {
    signal?.removeEventListener('abort', running.cancel);
  }
}
