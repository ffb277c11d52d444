// The entry of a pool thread for the pool's tests: jobs that succeed, fail, wait, and kill the thread.
import { setTimeout as sleep } from 'node:timers/promises';
import { BadInputError } from '@kronlens/proto';
import { serveJobs } from '../pool/serve-jobs.js';

export type OddJobs = {
  /** Answers with the sum, in memory that moves. */
  readonly add: { readonly job: ArrayLike<number>; readonly answer: Float64Array };
  readonly fail: { readonly job: string; readonly answer: never };
  /** Ends the thread: by `process.exit`, or by an error that nobody catches. */
  readonly die: { readonly job: 'exit' | 'throw'; readonly answer: never };
  /** Reports progress until it is cancelled. */
  readonly spin: { readonly job: null; readonly answer: never };
  /** Stays in a native section for so many milliseconds, whatever happens. */
  readonly native: { readonly job: number; readonly answer: string };
  /** The artifact's bytes, asked for `times` times at once. */
  readonly artifact: {
    readonly job: { readonly id: string; readonly times: number };
    readonly answer: readonly Uint8Array[];
  };
  /** The thread's id, after some milliseconds. */
  readonly where: { readonly job: number; readonly answer: number };
};

const here = Math.floor(Math.random() * 2 ** 52);

serveJobs<OddJobs>(
  {
    async add(job) {
      const answer = Float64Array.of(Array.from(job).reduce((sum, value) => sum + value, 0));
      return { answer, transfer: [answer.buffer] };
    },
    async fail(job) {
      throw new BadInputError('odd', job, { layer: 'conv1' });
    },
    async die(job) {
      if (job === 'exit') process.exit(3);
      setImmediate(() => {
        throw new Error('nobody catches this');
      });
      return await new Promise(() => {});
    },
    async spin(_job, context) {
      for (let done = 1; ; done++) {
        context.checkCancelled();
        context.progress(done);
        await sleep(1);
      }
    },
    async native(job, context) {
      const answer = await context.native(async () => {
        context.progress(1);
        await sleep(job);
        return 'out of native code';
      });
      return { answer, transfer: [] };
    },
    async artifact({ id, times }, context) {
      const wishes = Array.from({ length: times }, () => context.artifact(id));
      return { answer: await Promise.all(wishes), transfer: [] };
    },
    async where(job) {
      await sleep(job);
      return { answer: here, transfer: [] };
    },
  },
  async () => {},
);
