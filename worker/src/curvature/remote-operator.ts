// An operator as the main thread sees it: a leased pool thread multiplies.
import type { SymmetricOperator } from '../krylov/index.js';
import type { Lease } from '../pool/thread-pool.js';
import type { OperatorJob, OperatorJobs } from './operator-job.js';

/**
 * Opens an operator in a leased thread, lets it be used, and frees its memory there.
 * @throws what the thread's programs and data throw, ThreadLostError (retryable), CancelledError
 */
export async function withRemoteOperator<T>(
  lease: Lease<OperatorJobs>,
  job: OperatorJob,
  use: (operator: SymmetricOperator) => Promise<T>,
): Promise<T> {
  await lease.run('openOperator', job);
  try {
    return await use({
      dim: job.dim,
      apply: async (vectors, count) => {
        // A copy that can be moved: the vectors stay the caller's.
        const copy = new Float64Array(vectors.subarray(0, count * job.dim));
        const request = { vectors: copy, count };
        return await lease.run('applyOperator', request, { transfer: [copy.buffer] });
      },
    });
  } finally {
    // Of a thread that is lost or stops there is nothing to be freed.
    await lease.run('closeOperator', null).catch(() => {});
  }
}
