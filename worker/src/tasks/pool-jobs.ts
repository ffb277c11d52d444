// The kinds of jobs that the executor's threads do.
import type { EvaluateTask } from '@kronlens/proto';
import type { ProgramJob } from '../session/program-job.js';
import type { Evaluation } from '../session/run-evaluation.js';

/** A type, not an interface: only those fit an index signature. */
export type PoolJobs = {
  /** Answers with the bytes of the bundle of sums. */
  readonly program: { readonly job: ProgramJob; readonly answer: Uint8Array };
  readonly evaluate: { readonly job: EvaluateTask; readonly answer: Evaluation };
};
