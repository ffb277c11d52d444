// Takes a program's outputs batch by batch: checks them, packs symmetric ones, and adds or collects.
import {
  type BundleTensor,
  KronlensError,
  type ProgramOutput,
  Reduction,
  storedLength,
} from '@kronlens/proto';
import { TreeSum } from '../sum/tree-sum.js';
import { NonFiniteOutputError } from './non-finite.js';
import type { Tensors } from './runtime-session.js';

type Floats = Float32Array | Float64Array;

function floatsOf(output: ProgramOutput, tensors: Tensors): Floats {
  const data = tensors[output.name]?.data;
  if (data instanceof Float32Array || data instanceof Float64Array) return data;
  throw new KronlensError('bad-program', `output '${output.name}' is neither float32 nor float64`);
}

/** The first value that is not finite. One pass without branches finds out that there is none. */
function findNonFinite(values: Floats): number | undefined {
  let check = 0;
  for (let i = 0; i < values.length; i++) check += 0 * (values[i] as number);
  if (check === 0) return undefined;
  return values.find((value: number) => !Number.isFinite(value));
}

function packInto(packed: Floats, full: Floats, n: number): void {
  let at = 0;
  for (let row = 0; row < n; row++) {
    packed.set(full.subarray(row * n + row, (row + 1) * n), at);
    at += n - row;
  }
}

interface Taker {
  take(values: Floats, count: number): void;
  finish(): BundleTensor;
}

function summing(output: ProgramOutput, firstBatch: number): Taker {
  const { name, symmetric } = output;
  const shape = output.shape.map(Number);
  const length = storedLength(shape, symmetric);
  const sum = new TreeSum(firstBatch);
  let packed: Floats | undefined;
  return {
    take(values) {
      if (symmetric) {
        packed ??= values.slice(0, length);
        packInto(packed, values, shape[0] ?? 0);
      }
      sum.add(packed ?? values);
    },
    finish: () => ({ name, shape, symmetric, values: sum.finish() }),
  };
}

function collecting(output: ProgramOutput): Taker {
  const row = output.shape.slice(1).map(Number);
  const rowLength = row.reduce((product, size) => product * size, 1);
  const pieces: Floats[] = [];
  let rows = 0;
  return {
    take(values, count) {
      pieces.push(values.slice(0, count * rowLength));
      rows += count;
    },
    finish() {
      const values = new Float64Array(rows * rowLength);
      let at = 0;
      for (const piece of pieces) {
        values.set(piece, at);
        at += piece.length;
      }
      return { name: output.name, shape: [rows, ...row], symmetric: false, values };
    },
  };
}

/** All outputs of a program over consecutive batches. */
export class BatchOutputs {
  readonly #outputs: readonly { readonly output: ProgramOutput; readonly taker: Taker }[];

  /** @param firstBatch index of the first batch, for the tree of sums */
  constructor(outputs: readonly ProgramOutput[], firstBatch: number) {
    this.#outputs = outputs.map((output) => ({
      output,
      taker: output.reduction === Reduction.SUM ? summing(output, firstBatch) : collecting(output),
    }));
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
      const bad = findNonFinite(values);
      if (bad !== undefined) throw new NonFiniteOutputError(output, bad, first, count);
      taker.take(values, count);
    }
  }

  /** Sums in float64, unscaled, symmetric ones packed; rows of per-sample outputs one after the other. */
  finish(): BundleTensor[] {
    return this.#outputs.map(({ taker }) => taker.finish());
  }
}
