// Rows of the data set in any order, as the inputs of a program: from memory where they fit, else by range.
import { BadInputError, InputRole, KronlensError, type ProgramInput } from '@kronlens/proto';
import type { Values } from '../data/convert.js';
import { RowReader } from '../data/row-reader.js';
import { arrayOf, checkLabels } from '../session/batch-inputs.js';
import type { LaidOutArray } from '../session/program-job.js';
import type { Tensors } from '../session/runtime-session.js';
import { runtimeTensor } from '../session/tensor-types.js';

/** Rows that are read at a time while an array is loaded. */
const CHUNK = 4096;

interface Column {
  readonly input: ProgramInput;
  readonly array: LaidOutArray;
  readonly reader: RowReader;
  /** All rows, where they are kept. */
  readonly all: Values | undefined;
}

/** The data that programs take. */
export class SampleRows {
  readonly #columns: readonly Column[];

  private constructor(columns: readonly Column[]) {
    this.#columns = columns;
  }

  /**
   * @param inputs DATA and LABEL inputs; their batch does not matter
   * @param memoryBytes arrays are kept while they fit, in order
   * @throws DataError, BadInputError for labels that are no class
   */
  static async open(
    inputs: readonly ProgramInput[],
    arrays: readonly LaidOutArray[],
    samples: number,
    memoryBytes: number,
  ): Promise<SampleRows> {
    let room = memoryBytes;
    const columns: Column[] = [];
    for (const input of inputs) {
      const array = arrayOf(input, arrays);
      const reader = new RowReader(array.layout, input.type, array.scale);
      const bytes = samples * reader.allocate(1).byteLength;
      const kept = bytes <= room;
      if (kept) room -= bytes;
      const all = kept ? reader.allocate(samples) : undefined;
      for (let first = 0; all !== undefined && first < samples; first += CHUNK) {
        const count = Math.min(CHUNK, samples - first);
        const into = all.subarray(first * reader.rowLength, (first + count) * reader.rowLength);
        await reader.read(first, count, into);
        check(input, array, into, first, count);
      }
      columns.push({ input, array, reader, all });
    }
    return new SampleRows(columns);
  }

  /**
   * Memory and tensors for batches of one size.
   * @param program inputs of the program that takes them
   */
  batches(batch: number): SampleBatch {
    return new SampleBatch(this.#columns, batch);
  }
}

/** Classes must lie in the model's range, and the labels of one logit be 0 or 1. */
function check(
  input: ProgramInput,
  array: LaidOutArray,
  values: Values,
  first: number,
  count: number,
): void {
  if (input.role !== InputRole.LABEL) return;
  if (input.classes > 0n) {
    checkLabels(values, first, count, input, array);
    return;
  }
  const bad = values.findIndex((value: number | bigint) => value !== 0 && value !== 1);
  if (bad < 0) return;
  const sample = first + Math.floor(bad / (values.length / count));
  const { path } = array.layout.source;
  throw new BadInputError(
    'bad-label',
    `${path}: the label of sample ${sample} in '${array.name}' is ${values[bad]}, but labels of one logit must be 0 or 1`,
    { path, array: array.name, sample: String(sample), label: String(values[bad]) },
  );
}

/** Batches of one size; what the last call gave is valid until the next. */
export class SampleBatch {
  readonly #columns: readonly (Column & { readonly values: Values })[];
  readonly #batch: number;
  readonly tensors: Tensors;

  constructor(columns: readonly Column[], batch: number) {
    this.#batch = batch;
    this.#columns = columns.map((column) => ({
      ...column,
      values: column.reader.allocate(batch),
    }));
    this.tensors = Object.fromEntries(
      this.#columns.map(({ input, values }) => [
        input.name,
        runtimeTensor(input.type, values, [batch, ...input.shape.slice(1).map(Number)]),
      ]),
    );
  }

  /**
   * Fills the tensors with these samples; places beyond them repeat the last one.
   * @throws DataError, BadInputError
   */
  async gather(samples: Uint32Array): Promise<Tensors> {
    const count = samples.length;
    if (count === 0 || count > this.#batch)
      throw new KronlensError('bad-task', `${count} samples for batches of ${this.#batch}`);
    for (const { input, array, reader, all, values } of this.#columns) {
      const length = reader.rowLength;
      for (let place = 0; place < this.#batch; place++) {
        const sample = samples[Math.min(place, count - 1)] as number;
        const row = values.subarray(place * length, (place + 1) * length);
        if (all !== undefined) copy(row, all.subarray(sample * length, (sample + 1) * length));
        else {
          await reader.read(sample, 1, row);
          check(input, array, row, sample, 1);
        }
      }
    }
    return this.tensors;
  }
}

/** Both are of the same type. */
function copy(to: Values, from: Values): void {
  const bytes = (values: Values) =>
    new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  bytes(to).set(bytes(from));
}
