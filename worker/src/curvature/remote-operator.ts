// An operator as the main thread sees it: leased pool threads multiply, each over its share of the batches.
import type { SymmetricOperator } from '../krylov/index.js';
import type { Lease } from '../pool/thread-pool.js';
import { findNonFinite, NonFiniteOutputError } from '../session/non-finite.js';
import { TreeSum } from '../sum/tree-sum.js';
import type { OperatorJobs } from './operator-job.js';
import { shareOut, type WholeOperator } from './operator-shares.js';

/**
 * Opens an operator in leased threads, lets it be used, and frees its memory there. The products'
 * bytes do not depend on the number of threads.
 * @throws what the threads' programs and data throw, NonFiniteOutputError, ThreadLostError
 *   (retryable), CancelledError
 */
export async function withRemoteOperator<T>(
  leases: readonly Lease<OperatorJobs>[],
  whole: WholeOperator,
  use: (operator: SymmetricOperator) => Promise<T>,
): Promise<T> {
  const shares = shareOut(whole, leases.length).map(({ job, span }, i) => {
    const lease = leases[i];
    if (lease === undefined) throw new RangeError('more shares than threads');
    return { lease, job, span };
  });
  const { job, samples } = whole;
  const { dim } = job;
  try {
    await allDone(shares.map((share) => share.lease.run('openOperator', share.job)));
    // Memory that all threads read.
    let memory = new Float64Array(new SharedArrayBuffer(0));
    return await use({
      dim,
      async apply(vectors, count) {
        if (memory.length < count * dim) {
          memory = new Float64Array(new SharedArrayBuffer(8 * count * dim));
        }
        const shared = memory.subarray(0, count * dim);
        shared.set(vectors.subarray(0, count * dim));
        const request = { vectors: shared, count };
        const sums = await allDone(
          shares.map(({ lease, span }) =>
            lease.run('applyOperator', request).then((sum) => ({ sum, span })),
          ),
        );
        const products = total(sums);
        for (let i = 0; i < products.length; i++) products[i] = (products[i] as number) / samples;
        const bad = findNonFinite(products);
        if (bad !== undefined) throw new NonFiniteOutputError(job.output, bad, 0, samples);
        return products;
      },
    });
  } finally {
    // Of a thread that is lost or stops there is nothing to be freed.
    await Promise.allSettled(shares.map(({ lease }) => lease.run('closeOperator', null)));
  }
}

function total(
  sums: readonly { readonly sum: Float64Array; readonly span: number }[],
): Float64Array {
  const [only] = sums;
  if (sums.length === 1 && only !== undefined) return only.sum;
  const tree = new TreeSum();
  for (const { sum, span } of sums) tree.add(sum, span);
  return tree.finish();
}

/** The results of all; when one fails, its error once the others have ended, too. */
async function allDone<T>(running: readonly Promise<T>[]): Promise<T[]> {
  await Promise.allSettled(running);
  return await Promise.all(running);
}
