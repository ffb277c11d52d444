// Runs an evaluate task in a pool thread.
import type { EvaluateTask } from '@kronlens/proto';
import type { ThreadPool } from '../pool/thread-pool.js';
import type { Evaluation } from '../session/run-evaluation.js';
import type { PoolJobs } from './pool-jobs.js';

/**
 * Executes a model once, unoptimised.
 * @throws RuntimeFailure when the model cannot be loaded or run, CancelledError, ThreadLostError
 */
export async function executeEvaluate(
  task: EvaluateTask,
  pool: ThreadPool<PoolJobs>,
  signal: AbortSignal | undefined,
): Promise<Evaluation> {
  return await pool.run('evaluate', task, { what: 'the evaluation of a model', signal });
}
