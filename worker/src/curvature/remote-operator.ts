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
    let memory = new ProductMemory(0, dim, shares.length);
    return await use({
      dim,
      async apply(vectors, count) {
        if (memory.count < count) memory = new ProductMemory(count, dim, shares.length);
        const shared = memory.vectors.subarray(0, count * dim);
        shared.set(vectors.subarray(0, count * dim));
        const requests = shares.map(({ lease, span }, i) => {
          const sums = memory.sumsOf(i).subarray(0, count * dim);
          const request = { vectors: shared, sums, count };
          return lease.run('applyOperator', request).then(() => ({ sums, span }));
        });
        const products = total(await allDone(requests));
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

/** Memory of products with at most `count` vectors, allocated once: it would be megabytes each time. */
class ProductMemory {
  readonly count: number;
  /** What all threads read, [count, dim]. */
  readonly vectors: Float64Array;
  readonly #sums: readonly Float64Array[];

  constructor(count: number, dim: number, shares: number) {
    const shared = () => new Float64Array(new SharedArrayBuffer(8 * count * dim));
    this.count = count;
    this.vectors = shared();
    this.#sums = Array.from({ length: shares }, shared);
  }

  /** What the thread of a share writes, [count, dim]. */
  sumsOf(share: number): Float64Array {
    return this.#sums[share] as Float64Array;
  }
}

/** The sum by the tree over shares, in the first share's memory. */
function total(
  shares: readonly { readonly sums: Float64Array; readonly span: number }[],
): Float64Array {
  const tree = new TreeSum(0, { into: shares[0]?.sums });
  for (const { sums, span } of shares) tree.add(sums, span);
  return tree.finish();
}

/** The results of all; when one fails, its error once the others have ended, too. */
async function allDone<T>(running: readonly Promise<T>[]): Promise<T[]> {
  await Promise.allSettled(running);
  return await Promise.all(running);
}
