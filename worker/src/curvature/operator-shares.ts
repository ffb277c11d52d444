// Cuts an operator's batches into shares for several threads, along the tree over batches.
import type { OperatorJob, OperatorPart } from './operator-job.js';

/** An operator over all batches, and what is needed to cut it. */
export interface WholeOperator {
  readonly job: OperatorJob;
  /** Samples that the sums are divided by. */
  readonly samples: number;
  /** Captured rows and sums of all shares together are to fit in here. */
  readonly memoryBytes: number;
}

export interface OperatorShare {
  readonly job: OperatorJob;
  /** Batches of the share: the same aligned power of two for all but the last. */
  readonly span: number;
}

/** Bytes of what is captured over all batches, in float32. */
export function capturedBytes(parts: readonly OperatorPart[]): number {
  return parts.reduce((bytes, part) => {
    const { capture, product } = part;
    const values = (capture?.outputs ?? []).reduce(
      (total, { shape }) => total + shape.reduce((size, axis) => size * Number(axis), 1),
      0,
    );
    return bytes + 4 * values * batchesOf(part, product.batch);
  }, 0);
}

const batchesOf = ({ samples }: OperatorPart, batch: number): number => Math.ceil(samples / batch);

/**
 * The most threads that have work and memory: each holds vectors, products and partial sums of its
 * own.
 */
export function mostShares({ job, memoryBytes }: WholeOperator): number {
  const batches = job.parts.reduce((all, part) => all + batchesOf(part, part.product.batch), 0);
  const copies = 3 + Math.ceil(Math.log2(batches + 1));
  const left = memoryBytes - (job.keep ? capturedBytes(job.parts) : 0);
  const affordable = Math.floor(left / (8 * job.vectors * job.dim * copies));
  return Math.max(1, Math.min(batches, affordable));
}

/**
 * Cuts an operator into at most `count` shares. Their sums, added by the tree over shares, are the
 * bytes of the sum over all batches.
 */
export function shareOut({ job }: WholeOperator, count: number): readonly OperatorShare[] {
  const batches = job.parts.reduce((all, part) => all + batchesOf(part, part.product.batch), 0);
  let span = 1;
  while (Math.ceil(batches / span) > count) span *= 2;
  return Array.from({ length: Math.ceil(batches / span) }, (_, i) => {
    const first = i * span;
    const end = Math.min(batches, first + span);
    const parts = partsBetween(job.parts, first, end);
    return { job: { ...job, parts, firstBatch: first }, span: end - first };
  });
}

/** Batches [first, end) of the parts. */
function partsBetween(
  parts: readonly OperatorPart[],
  first: number,
  end: number,
): readonly OperatorPart[] {
  let before = 0;
  return parts.flatMap((part) => {
    const { batch } = part.product;
    const [from, to] = [Math.max(0, first - before), end - before];
    before += batchesOf(part, batch);
    const skipped = from * batch;
    const samples = Math.min(part.samples, to * batch) - skipped;
    return samples > 0 ? [{ ...part, firstSample: part.firstSample + skipped, samples }] : [];
  });
}
