// One thread of the pool as the main thread sees it: a job at a time, cancelled through shared memory.
import { Worker } from 'node:worker_threads';
import {
  CancelledError,
  type ErrorReport,
  fromErrorReport,
  KronlensError,
  toErrorReport,
} from '@kronlens/proto';
import {
  CANCELLED_JOB,
  EVERY_JOB,
  type FromThread,
  IN_NATIVE_CODE,
  SHARED_BYTES,
  type ThreadData,
  type ToThread,
} from './messages.js';

const CANCELLED = new CancelledError('').code;

/** A pool thread ended in the middle of a job. */
export class ThreadLostError extends KronlensError {
  constructor(what: string, cause: unknown) {
    const reason = cause instanceof Error ? `: ${cause.message}` : '';
    super('thread-lost', `the worker thread that computed ${what} ended${reason}`, {
      retryable: true,
      cause,
    });
  }
}

/** How long an exiting process waits for a thread that is inside ONNX Runtime. */
const LONGEST_WAIT_MS = 30_000;

function errorOf(report: ErrorReport, what: string): KronlensError {
  const error = fromErrorReport(report);
  return error.code === CANCELLED ? new CancelledError(what) : error;
}

export interface ThreadHost {
  /** The module that calls `serveJobs`. */
  readonly entry: URL;
  /** Gives threads the artifacts that they ask for; the bytes' memory moves to the thread. */
  artifact(id: string): Promise<Uint8Array>;
  /** The thread is gone, and its job with it. */
  onLost(thread: PoolThread): void;
}

/** Is told of a job while it runs. */
export interface JobListener {
  readonly onProgress?: ((done: number) => void) | undefined;
  readonly onCheckpoint?: ((bytes: Uint8Array) => void) | undefined;
}

interface Running {
  readonly id: number;
  readonly what: string;
  readonly listener: JobListener;
  resolve(answer: unknown): void;
  reject(error: unknown): void;
}

export class PoolThread {
  readonly #host: ThreadHost;
  readonly #worker: Worker;
  readonly #words: Int32Array;
  readonly #ended: Promise<void>;
  #running: Running | undefined;
  #crash: unknown;
  #stopping = false;
  #gone = false;
  #jobs = 0;
  /** Kept for one user's jobs: not idle even between them. */
  leased = false;

  constructor(host: ThreadHost) {
    this.#host = host;
    const words = new SharedArrayBuffer(SHARED_BYTES);
    this.#words = new Int32Array(words);
    const workerData: ThreadData = { words };
    // Most options of the process, such as --input-type, would not let a thread start.
    const execArgv = process.execArgv.filter((option) => option === '--enable-source-maps');
    this.#worker = new Worker(host.entry, { workerData, execArgv, name: 'kronlens' });
    this.#worker.on('message', (message: FromThread) => this.#hear(message));
    this.#worker.on('messageerror', (error) => this.#settle((running) => running.reject(error)));
    this.#worker.on('error', (error) => {
      this.#crash = error;
    });
    this.#ended = new Promise((resolve) => {
      this.#worker.on('exit', () => {
        this.#gone = true;
        host.onLost(this);
        const cause = this.#crash;
        this.#settle((running) => running.reject(new ThreadLostError(running.what, cause)));
        resolve();
      });
    });
    // A thread without a job keeps no process alive.
    this.#worker.unref();
  }

  get isIdle(): boolean {
    return this.#running === undefined && !this.leased;
  }

  /**
   * Does one job; the thread must have none.
   * @param what the job in words, for messages: "batches 0 to 7 of factors"
   * @param transfer memory of the job that moves to the thread
   */
  run(
    name: string,
    job: unknown,
    what: string,
    listener: JobListener,
    transfer: readonly ArrayBuffer[] = [],
  ): { readonly answer: Promise<unknown>; cancel(): void } {
    if (this.#gone) {
      return { answer: Promise.reject(new ThreadLostError(what, this.#crash)), cancel: () => {} };
    }
    this.#jobs += 1;
    const id = this.#jobs;
    const answer = new Promise<unknown>((resolve, reject) => {
      this.#running = { id, what, listener, resolve, reject };
    });
    this.#worker.ref();
    try {
      this.#say({ kind: 'job', id, name, job }, transfer);
    } catch (error) {
      this.#settle((running) => running.reject(error));
    }
    return {
      answer,
      cancel: () => {
        if (this.#running?.id === id) Atomics.store(this.#words, CANCELLED_JOB, id);
      },
    };
  }

  /** Calls off the job, if there is one, and ends the thread when its native code has returned. */
  async stop(): Promise<void> {
    this.#stopping = true;
    Atomics.store(this.#words, CANCELLED_JOB, EVERY_JOB);
    this.#worker.ref();
    this.#say({ kind: 'stop' });
    await this.#ended;
  }

  /**
   * Blocks until the thread is out of native code, for a process that is about to exit: exiting
   * while a thread is inside ONNX Runtime would abort the process.
   */
  leaveNativeCode(): void {
    Atomics.store(this.#words, CANCELLED_JOB, EVERY_JOB);
    Atomics.wait(this.#words, IN_NATIVE_CODE, 1, LONGEST_WAIT_MS);
  }

  #say(message: ToThread, transfer: readonly ArrayBuffer[] = []): void {
    this.#worker.postMessage(message, [...transfer]);
  }

  #settle(how: (running: Running) => void): void {
    const running = this.#running;
    if (running === undefined) return;
    this.#running = undefined;
    if (!this.#stopping) this.#worker.unref();
    how(running);
  }

  #hear(message: FromThread): void {
    if (message.kind === 'want') {
      void this.#give(message.artifact);
      return;
    }
    if (message.id !== this.#running?.id) return;
    switch (message.kind) {
      case 'progress':
        this.#running.listener.onProgress?.(message.done);
        return;
      case 'checkpoint':
        this.#running.listener.onCheckpoint?.(message.bytes);
        return;
      case 'done':
        this.#settle((running) => running.resolve(message.answer));
        return;
      case 'failed':
        this.#settle((running) => running.reject(errorOf(message.error, running.what)));
        return;
    }
  }

  async #give(artifact: string): Promise<void> {
    try {
      const bytes = ownMemory(await this.#host.artifact(artifact));
      this.#say({ kind: 'artifact', artifact, bytes }, [bytes.buffer]);
    } catch (error) {
      this.#say({ kind: 'no-artifact', artifact, error: toErrorReport(error) });
    }
  }
}

/** The bytes in memory that holds nothing else, so that it can be moved to a thread. */
function ownMemory(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const { buffer, byteLength } = bytes;
  const whole = buffer instanceof ArrayBuffer && buffer.byteLength === byteLength;
  return whole ? new Uint8Array(buffer) : new Uint8Array(bytes);
}
