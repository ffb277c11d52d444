// An operator as the main thread sees it: leased pool threads multiply, each over its share of the batches.
import { setTimeout as sleep } from 'node:timers/promises';
import type { SymmetricOperator } from '../krylov/index.js';
import type { Lease } from '../pool/thread-pool.js';
import { findNonFinite, NonFiniteOutputError } from '../session/non-finite.js';
import { scaleAll } from '../sum/addends.js';
import { TreeSum } from '../sum/tree-sum.js';
import { giveFloats, takeFloats } from '../vector/spare-memory.js';
import type { OperatorJobs, ProductMemory } from './operator-job.js';
import { shareOut, type WholeOperator } from './operator-shares.js';

/** Threads that open an operator ask for its programs first, and wait for nothing after that. */
const PROGRAMS_MS = 2;

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
  // The threads open it while iterations prepare their first vectors.
  const opened = allDone(shares.map((share) => share.lease.run('openOperator', share.job)));
  // The first product throws what it fails with; until then nobody listens.
  opened.catch(() => undefined);
  try {
    await sleep(PROGRAMS_MS);
    let memory = new SharedMemory(0, dim, shares.length);
    const result = await use({
      dim,
      async apply(vectors, count) {
        await opened;
        const isNew = memory.count < count;
        if (isNew) {
          memory.release();
          memory = new SharedMemory(count, dim, shares.length);
        }
        memory.vectors.set(vectors.subarray(0, count * dim));
        const requests = shares.map(({ lease, span }, i) => {
          const request = { memory: isNew ? memory.of(i) : undefined, count };
          const sums = memory.of(i).sums.subarray(0, count * dim);
          return lease.run('applyOperator', request).then(() => ({ sums, span }));
        });
        const products = total(await allDone(requests));
        if (scaleAll(products, 1 / samples) === 0) return products;
        const bad = findNonFinite(products) ?? Number.NaN;
        throw new NonFiniteOutputError(job.output, bad, 0, samples);
      },
    });
    memory.release();
    return result;
  } finally {
    await Promise.allSettled([opened]);
    // Of a thread that is lost or stops there is nothing to be freed.
    await Promise.allSettled(shares.map(({ lease }) => lease.run('closeOperator', null)));
  }
}

/** Memory of products with at most `count` vectors, allocated once: it would be megabytes each time. */
class SharedMemory {
  readonly count: number;
  /** What all threads read, [count, dim]. */
  readonly vectors: Float64Array;
  readonly #sums: readonly Float64Array[];

  constructor(count: number, dim: number, shares: number) {
    const shared = () => takeFloats(count * dim, true);
    this.count = count;
    this.vectors = shared();
    this.#sums = Array.from({ length: shares }, shared);
  }

  /** Gives the memory back, once no thread uses it. */
  release(): void {
    for (const each of [this.vectors, ...this.#sums]) giveFloats(each);
  }

  /** What the thread of a share reads and writes. */
  of(share: number): ProductMemory {
    return { vectors: this.vectors, sums: this.#sums[share] as Float64Array };
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
