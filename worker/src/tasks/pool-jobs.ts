// The kinds of jobs that the executor's threads do.
import type { EvaluateTask, MergeTask } from '@kronlens/proto';
import type { OperatorJobs } from '../curvature/operator-job.js';
import type { PosteriorJobs } from '../posterior/posterior-job.js';
import type { ProgramJob } from '../session/program-job.js';
import type { Evaluation } from '../session/run-evaluation.js';
import type { TaskArtifact } from './task-artifact.js';

/** A type, not an interface: only those fit an index signature. */
export type PoolJobs = OperatorJobs &
  PosteriorJobs & {
    readonly program: { readonly job: ProgramJob; readonly answer: readonly TaskArtifact[] };
    readonly merge: { readonly job: MergeTask; readonly answer: readonly TaskArtifact[] };
    readonly evaluate: { readonly job: EvaluateTask; readonly answer: Evaluation };
  };
