// What a pool thread is told about an operator, and what it answers: plain data that can be sent.
import type { Program, ProgramOutput } from '@kronlens/proto';
import type { LaidOutArray } from '../session/program-job.js';

/** Batches of one size. */
export interface OperatorPart {
  /** Yields the captured inputs of `product`; undefined: it has none. */
  readonly capture: Program | undefined;
  readonly product: Program;
  readonly firstSample: number;
  /** Real samples; where they do not fill the last batch it is padded. */
  readonly samples: number;
}

/** A share of an operator's batches. */
export interface OperatorJob {
  /** The operator in words, for messages. */
  readonly what: string;
  readonly arrays: readonly LaidOutArray[];
  readonly seed: bigint;
  /** In order: over full batches, over the last partial one. */
  readonly parts: readonly OperatorPart[];
  /** Index of the first batch: where the sums begin in the tree over all batches. */
  readonly firstBatch: number;
  /** The product's input that takes the vectors. */
  readonly probe: string;
  readonly output: ProgramOutput;
  /** Vectors in one execution of the product. */
  readonly vectors: number;
  /** Entries of a vector. */
  readonly dim: number;
  /** Whether captured rows are kept in memory, not captured anew for every product. */
  readonly keep: boolean;
}

/** Arrays [at least count, dim] in memory that threads share. */
export interface ProductMemory {
  readonly vectors: Float64Array;
  /** Receives the sums, unscaled. */
  readonly sums: Float64Array;
}

export interface ProductRequest {
  /** Where it is not that of the request before: each time it is sent it counts as new memory to V8. */
  readonly memory: ProductMemory | undefined;
  readonly count: number;
}

/** The kinds of jobs of an operator; a thread holds one share at a time. */
export type OperatorJobs = {
  /** Loads the programs and captures the rows that are kept. */
  readonly openOperator: { readonly job: OperatorJob; readonly answer: null };
  /** Sums over the share's batches of the products with vectors. */
  readonly applyOperator: { readonly job: ProductRequest; readonly answer: null };
  /** Lets go of the operator's memory. */
  readonly closeOperator: { readonly job: null; readonly answer: null };
};
