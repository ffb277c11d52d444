// Cuts the batches of a run into aligned shards, so that the tree of sums never depends on the cut.

/** Batches [firstBatch, firstBatch + batchCount). */
export interface Shard {
  readonly firstBatch: number;
  readonly batchCount: number;
}

export interface ShardRequest {
  readonly samples: number;
  /** Samples in one execution of the program. */
  readonly batch: number;
  /** Samples in a shard as the user asked; rounded up to a power-of-two number of batches. */
  readonly shard: number | undefined;
  /** Bytes of one shard's result, which the store keeps until the merge. */
  readonly resultBytes: number;
}

/** Without `--shard`, about this many tasks: enough for progress, resuming and a balanced load. */
const SHARDS = 32;
/** Without `--shard`, the shards' results take at most this much of the disk. */
const STORE_BYTES = 2 ** 31;
/** A shard takes so many batches where enough shards are left: storing and merging results has its price. */
const LEAST_BATCHES = 4;
/** But there are about this many shards where there are as many batches. */
const LEAST_SHARDS = 4;

function leastBatches(batches: number): number {
  return Math.min(LEAST_BATCHES, Math.max(batches / LEAST_SHARDS, batches < 4 ? 1 : 2));
}

function powerOfTwoAtLeast(value: number): number {
  let power = 1;
  while (power < value) power *= 2;
  return power;
}

/**
 * Every shard but the last covers the same power-of-two number of batches and starts at a multiple
 * of it: each is a subtree of the binary tree over batch indices, whatever the shard size.
 * Deliberately independent of the number of workers, so that a resumed run finds its tasks.
 */
export function cutShards(request: ShardRequest): readonly Shard[] {
  const { samples, batch, shard, resultBytes } = request;
  const batches = Math.ceil(samples / batch);
  const affordable = Math.max(LEAST_SHARDS, Math.floor(STORE_BYTES / Math.max(1, resultBytes)));
  const wanted =
    shard === undefined
      ? Math.max(batches / Math.min(SHARDS, affordable), leastBatches(batches))
      : Math.ceil(shard / batch);
  const size = powerOfTwoAtLeast(wanted);
  return Array.from({ length: Math.ceil(batches / size) }, (_, index) => ({
    firstBatch: index * size,
    batchCount: Math.min(size, batches - index * size),
  }));
}
