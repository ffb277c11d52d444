// A program task as a pool thread gets it: manifests read, arrays found, everything checked.
import type { Program } from '@kronlens/proto';
import type { ArrayLayout } from '../data/array-layout.js';

/** An array of the data set, laid out. */
export interface LaidOutArray {
  readonly name: string;
  readonly layout: ArrayLayout;
  /** Values are multiplied by this after reading. */
  readonly scale: number;
}

/** Batches that one program runs over; `program.model` is the content id of its model. */
export interface ProgramRun {
  /** Content id of the manifest: what a thread keeps of a program goes by it. */
  readonly id: string;
  readonly program: Program;
  readonly firstSample: number;
  /** Real samples; where they do not fill the last batch it is padded. */
  readonly samples: number;
}

/** Plain data, so that it can be sent to a thread. */
export interface ProgramJob {
  /** What the task is called in messages. */
  readonly what: string;
  readonly arrays: readonly LaidOutArray[];
  readonly seed: bigint;
  /** Index of the first batch: where the sums begin in the tree over all batches. */
  readonly firstBatch: number;
  /** In order: over the full batches, over the last partial one. */
  readonly runs: readonly ProgramRun[];
}
