// Takes a program's outputs batch by batch: checks them, packs symmetric ones, and adds or collects.
import {
  type BundleFrame,
  BundleLayout,
  KronlensError,
  type ProgramOutput,
  Reduction,
} from '@kronlens/proto';
import { upperTriangle, vector } from '../sum/addends.js';
import { TreeSum } from '../sum/tree-sum.js';
import { findNonFinite, NonFiniteOutputError } from './non-finite.js';
import type { Tensors } from './runtime-session.js';

type Floats = Float32Array | Float64Array;

function floatsOf(output: ProgramOutput, tensors: Tensors): Floats {
  const data = tensors[output.name]?.data;
  if (data instanceof Float32Array || data instanceof Float64Array) return data;
  throw new KronlensError('bad-program', `output '${output.name}' is neither float32 nor float64`);
}

/** Takes one output's values, batch after batch. */
interface Taker {
  /** @returns whether all values are finite */
  take(values: Floats, count: number): boolean;
  finish(): void;
}

/** Memory for the sums of one output that is used again by the next task, beside the results. */
export type SpareSums = Map<string, Float64Array[]>;

function summing(
  { name, shape, symmetric }: ProgramOutput,
  firstBatch: number,
  into: Float64Array,
  spares: SpareSums,
): Taker {
  const n = Number(shape[0] ?? 0n);
  const spare = spares.get(name) ?? [];
  spares.set(name, spare);
  const sum = new TreeSum(firstBatch, { into, spare });
  return {
    take: (values) => sum.add(symmetric ? upperTriangle(values, n) : values),
    finish: () => {
      if (sum.finish() !== into) throw new Error(`the sum of '${name}' is elsewhere`);
    },
  };
}

function collecting({ shape }: ProgramOutput, into: Float64Array): Taker {
  const row = shape.slice(1).map(Number);
  const rowLength = row.reduce((product, size) => product * size, 1);
  let at = 0;
  return {
    take(values, count) {
      const rows = values.subarray(0, count * rowLength);
      const check = vector(rows).copyTo(into.subarray(at, at + rows.length));
      at += rows.length;
      return check === 0;
    },
    finish() {},
  };
}

/** What a program's outputs over so many samples look like in a bundle. */
export function outputLayout(outputs: readonly ProgramOutput[], samples: number): BundleLayout {
  return new BundleLayout(
    outputs.map(({ name, shape, symmetric, reduction }) => ({
      name,
      shape:
        reduction === Reduction.SUM ? shape.map(Number) : [samples, ...shape.slice(1).map(Number)],
      symmetric: reduction === Reduction.SUM && symmetric,
    })),
  );
}

/** All outputs of a program over consecutive batches. */
export class BatchOutputs {
  readonly #outputs: readonly { readonly output: ProgramOutput; readonly taker: Taker }[];
  readonly #frame: BundleFrame;

  /**
   * @param firstBatch index of the first batch, for the tree of sums
   * @param layout that `outputLayout` gives for the outputs and all samples
   * @param spares scratch memory of earlier tasks over the same outputs
   */
  constructor(
    outputs: readonly ProgramOutput[],
    firstBatch: number,
    layout: BundleLayout,
    spares: SpareSums = new Map(),
  ) {
    this.#frame = layout.frame();
    this.#outputs = outputs.map((output) => {
      const into = this.#frame.values.get(output.name);
      if (into === undefined) throw new Error(`output '${output.name}' has no place in its bundle`);
      const taker =
        output.reduction === Reduction.SUM
          ? summing(output, firstBatch, into, spares)
          : collecting(output, into);
      return { output, taker };
    });
  }

  /**
   * Takes the next batch's outputs; their memory may be used again afterwards.
   * @param first the batch's first sample
   * @param count its samples that are real, not padding
   * @throws NonFiniteOutputError
   */
  take(tensors: Tensors, first: number, count: number): void {
    for (const { output, taker } of this.#outputs) {
      const values = floatsOf(output, tensors);
      if (taker.take(values, count)) continue;
      throw new NonFiniteOutputError(output, findNonFinite(values) ?? Number.NaN, first, count);
    }
  }

  /**
   * The bundle: sums in float64, unscaled, symmetric ones packed; rows of per-sample outputs one
   * after the other.
   */
  finish(): Uint8Array<ArrayBuffer> {
    for (const { taker } of this.#outputs) taker.finish();
    return this.#frame.finish();
  }
}
