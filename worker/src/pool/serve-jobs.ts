// A pool thread's side: takes jobs one by one and answers with results or wire errors.
import { parentPort, workerData } from 'node:worker_threads';
import { CancelledError, fromErrorReport, toErrorReport } from '@kronlens/proto';
import {
  CANCELLED_JOB,
  EVERY_JOB,
  type FromThread,
  IN_NATIVE_CODE,
  type JobKinds,
  type ThreadData,
  type ToThread,
} from './messages.js';

/** What a job can do beside computing. */
export interface JobContext {
  /** @throws CancelledError when the job has been called off; ask between batches */
  checkCancelled(): void;
  /** Reports how far the job is, in its own unit. */
  progress(done: number): void;
  /** Hands over where the job stands, so that another can go on from there; the memory moves. */
  checkpoint(bytes: Uint8Array<ArrayBuffer>): void;
  /** The bytes of an artifact of the executor's store, the caller's own. */
  artifact(id: string): Promise<Uint8Array>;
  /**
   * Runs code that calls into ONNX Runtime. The thread is not ended inside of it: ending a thread
   * there aborts the whole process.
   * @throws CancelledError when the job has been called off before
   */
  native<T>(call: () => Promise<T>): Promise<T>;
}

/** An answer, and the memory in it that moves to the main thread instead of being copied. */
export interface Answer<T> {
  readonly answer: T;
  readonly transfer: readonly ArrayBuffer[];
}

export type JobHandlers<K extends JobKinds> = {
  readonly [Name in keyof K]: (
    job: K[Name]['job'],
    context: JobContext,
  ) => Promise<Answer<K[Name]['answer']>>;
};

interface Wish {
  resolve(bytes: Uint8Array): void;
  reject(error: unknown): void;
}

/**
 * Serves jobs until the pool says stop. Call it once, in a thread that a ThreadPool started.
 * @param onStop releases what the handlers hold
 */
export function serveJobs<K extends JobKinds>(
  handlers: JobHandlers<K>,
  onStop: () => Promise<void>,
): void {
  if (parentPort === null) throw new Error('this module is the entry of a pool thread');
  const port = parentPort;
  const words = new Int32Array((workerData as ThreadData).words);
  const say = (message: FromThread, transfer: readonly ArrayBuffer[] = []) =>
    port.postMessage(message, [...transfer]);
  const wishes = new Map<string, Wish[]>();
  let last = Promise.resolve();

  const contextOf = (id: number): JobContext => {
    const checkCancelled = () => {
      const cancelled = Atomics.load(words, CANCELLED_JOB);
      if (cancelled === id || cancelled === EVERY_JOB) throw new CancelledError('the task');
    };
    return {
      checkCancelled,
      progress: (done) => say({ kind: 'progress', id, done }),
      checkpoint: (bytes) => say({ kind: 'checkpoint', id, bytes }, [bytes.buffer]),
      artifact: (artifact) =>
        new Promise((resolve, reject) => {
          const waiting = wishes.get(artifact);
          if (waiting === undefined) {
            wishes.set(artifact, [{ resolve, reject }]);
            say({ kind: 'want', artifact });
          } else {
            waiting.push({ resolve: (bytes) => resolve(bytes.slice()), reject });
          }
        }),
      async native(call) {
        // First the word, then the question: whoever cancels and then sees 0 knows that no call
        // begins any more.
        Atomics.store(words, IN_NATIVE_CODE, 1);
        try {
          checkCancelled();
          return await call();
        } finally {
          Atomics.store(words, IN_NATIVE_CODE, 0);
          Atomics.notify(words, IN_NATIVE_CODE);
        }
      },
    };
  };

  const serve = async (id: number, name: string, job: unknown) => {
    try {
      const handler = handlers[name];
      if (handler === undefined) throw new Error(`a pool thread cannot do '${name}'`);
      const { answer, transfer } = await handler(job, contextOf(id));
      say({ kind: 'done', id, answer }, transfer);
    } catch (error) {
      say({ kind: 'failed', id, error: toErrorReport(error) });
    }
  };

  const grant = (artifact: string, give: (wish: Wish) => void) => {
    const waiting = wishes.get(artifact) ?? [];
    wishes.delete(artifact);
    // The first gets the bytes themselves, so the others take their copies before.
    for (const wish of waiting.reverse()) give(wish);
  };

  port.on('message', (message: ToThread) => {
    switch (message.kind) {
      case 'job':
        last = serve(message.id, message.name, message.job);
        return;
      case 'artifact':
        grant(message.artifact, (wish) => wish.resolve(message.bytes));
        return;
      case 'no-artifact':
        grant(message.artifact, (wish) => wish.reject(fromErrorReport(message.error)));
        return;
      case 'stop':
        void last.then(onStop).finally(() => port.close());
        return;
    }
  });
}
