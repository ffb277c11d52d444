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

/**
 * The first value that is not finite. That there is none is found out without branches: 0 * value is
 * NaN for such values only, and four sums go side by side in the processor.
 */
export function findNonFinite(values: Floats): number | undefined {
  const whole = values.length - (values.length % 4);
  let a = 0;
  let b = 0;
  let c = 0;
  let d = 0;
  for (let i = 0; i < whole; i += 4) {
    a += 0 * (values[i] as number);
    b += 0 * (values[i + 1] as number);
    c += 0 * (values[i + 2] as number);
    d += 0 * (values[i + 3] as number);
  }
  for (let i = whole; i < values.length; i++) a += 0 * (values[i] as number);
  if (a + b + c + d === 0) return undefined;
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
  /** The part of a batch's values that counts; valid until the next call. */
  select(values: Floats, count: number): Floats;
  /** Takes what was selected. */
  take(selected: Floats): void;
  finish(): BundleTensor;
}

function summing(output: ProgramOutput, firstBatch: number): Taker {
  const { name, symmetric } = output;
  const shape = output.shape.map(Number);
  const sum = new TreeSum(firstBatch);
  let packed: Floats | undefined;
  return {
    select(values) {
      if (!symmetric) return values;
      packed ??= values.slice(0, storedLength(shape, true));
      packInto(packed, values, shape[0] ?? 0);
      return packed;
    },
    take: (selected) => sum.add(selected),
    finish: () => ({ name, shape, symmetric, values: sum.finish() }),
  };
}

function collecting(output: ProgramOutput): Taker {
  const row = output.shape.slice(1).map(Number);
  const rowLength = row.reduce((product, size) => product * size, 1);
  const pieces: Floats[] = [];
  return {
    select: (values, count) => values.subarray(0, count * rowLength),
    take: (selected) => pieces.push(selected.slice()),
    finish() {
      const length = pieces.reduce((total, piece) => total + piece.length, 0);
      const values = new Float64Array(length);
      let at = 0;
      for (const piece of pieces) {
        values.set(piece, at);
        at += piece.length;
      }
      const shape = [length / rowLength, ...row];
      return { name: output.name, shape, symmetric: false, values };
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
      const selected = taker.select(floatsOf(output, tensors), count);
      const bad = findNonFinite(selected);
      if (bad !== undefined) throw new NonFiniteOutputError(output, bad, first, count);
      taker.take(selected);
    }
  }

  /** Sums in float64, unscaled, symmetric ones packed; rows of per-sample outputs one after the other. */
  finish(): BundleTensor[] {
    return this.#outputs.map(({ taker }) => taker.finish());
  }
}
