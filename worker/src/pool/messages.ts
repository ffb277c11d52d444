// What the main thread and a pool thread say to each other, and the words of memory that they share.
import type { ErrorReport } from '@kronlens/proto';

/** The kinds of jobs that a pool's threads can do: what each takes and what it answers. */
export type JobKinds = Record<string, { readonly job: unknown; readonly answer: unknown }>;

export type ToThread =
  | { readonly kind: 'job'; readonly id: number; readonly name: string; readonly job: unknown }
  /** The answer to a `want`. */
  | { readonly kind: 'artifact'; readonly artifact: string; readonly bytes: Uint8Array }
  | { readonly kind: 'no-artifact'; readonly artifact: string; readonly error: ErrorReport }
  /** Ends the thread as soon as it is idle. */
  | { readonly kind: 'stop' };

export type FromThread =
  | { readonly kind: 'done'; readonly id: number; readonly answer: unknown }
  | { readonly kind: 'failed'; readonly id: number; readonly error: ErrorReport }
  | { readonly kind: 'progress'; readonly id: number; readonly done: number }
  /** Where the job stands, for another to go on from. */
  | { readonly kind: 'checkpoint'; readonly id: number; readonly bytes: Uint8Array }
  /** The thread needs the bytes of an artifact. */
  | { readonly kind: 'want'; readonly artifact: string };

/** Indices of the shared 32-bit words. */
export const CANCELLED_JOB = 0;
export const IN_NATIVE_CODE = 1;

/** What a pool hands to each of its threads. */
export interface ThreadData {
  /**
   * Int32Array: the id of the job that is to stop (`EVERY_JOB`: all), and 1 while the thread is in
   * native code, where it must not be ended.
   */
  readonly words: SharedArrayBuffer;
}

export const SHARED_BYTES = 2 * Int32Array.BYTES_PER_ELEMENT;

/** Cancels whatever the thread does, now and later. */
export const EVERY_JOB = -1;
