// Runs programs over small data sets in this process, batch by batch, for tests that have no worker.
import { InputRole, type ProgramInput } from '@kronlens/proto';
import type { Tensor } from '../graph/graph.js';
import { floatTensor, tensorNumbers } from '../graph/tensor.js';
import type { BuiltProgram, ProgramPair } from '../programs/index.js';
import { ortEvaluator } from './ort-evaluator.js';

/** Samples [first, first + batch); a batch that reaches behind the data is padded. */
export interface Rows {
  readonly arrays: ReadonlyMap<string, Tensor>;
  readonly first: number;
  readonly samples: number;
}

/** What a program yields on one batch, by the names of its outputs. */
export async function runBatch(
  { model, manifest }: BuiltProgram,
  rows: Rows,
  given: ReadonlyMap<string, Tensor> = new Map(),
): Promise<ReadonlyMap<string, Tensor>> {
  const feeds = new Map(
    manifest.inputs.map((input) => [
      input.name,
      given.get(input.name) ?? fedInput(input, manifest.batch, rows),
    ]),
  );
  const names = manifest.outputs.map(({ name }) => name);
  return (await ortEvaluator.evaluate(model, feeds, names)).tensors;
}

/**
 * The batches of a data set, each with its first sample.
 * @param full what runs full batches
 * @param tail what runs a last batch that is not full; undefined: `full` does
 */
export function batches<T>(
  full: T,
  tail: T | undefined,
  batch: number,
  samples: number,
): readonly (readonly [T, number])[] {
  return Array.from({ length: Math.ceil(samples / batch) }, (_, index) => {
    const first = index * batch;
    return [first + batch > samples ? (tail ?? full) : full, first] as const;
  });
}

/** Sums over the data of each output, in float64, by its name. */
export async function sumOverData(
  { full, tail }: Pick<ProgramPair, 'full' | 'tail'>,
  data: Omit<Rows, 'first'>,
): Promise<ReadonlyMap<string, Float64Array>> {
  const sums = new Map<string, Float64Array>();
  for (const [program, first] of batches(full, tail, full.manifest.batch, data.samples))
    addTo(sums, await runBatch(program, { ...data, first }));
  return sums;
}

/** Adds tensors to sums of the same names. */
export function addTo(sums: Map<string, Float64Array>, tensors: ReadonlyMap<string, Tensor>): void {
  for (const [name, tensor] of tensors) {
    const values = tensorNumbers(tensor);
    const sum = sums.get(name) ?? new Float64Array(values.length);
    values.forEach((value, index) => {
      sum[index] = (sum[index] ?? Number.NaN) + value;
    });
    sums.set(name, sum);
  }
}

function fedInput(input: ProgramInput, batch: number, { arrays, first, samples }: Rows): Tensor {
  const shape = input.shape.map(Number);
  if (input.role === InputRole.SAMPLE_WEIGHT)
    return floatTensor(
      Array.from({ length: batch }, (_, row) => (first + row < samples ? 1 : 0)),
      shape,
    );
  const array = arrays.get(input.array);
  if (array === undefined || !(input.role === InputRole.DATA || input.role === InputRole.LABEL))
    throw new Error(`nothing is given for the program's input '${input.name}'`);
  const rowBytes = array.bytes.length / (array.shape[0] ?? 1);
  const bytes = new Uint8Array(batch * rowBytes);
  for (let row = 0; row < batch; row += 1) {
    const from = Math.min(first + row, samples - 1) * rowBytes;
    bytes.set(array.bytes.subarray(from, from + rowBytes), row * rowBytes);
  }
  return { dtype: array.dtype, shape, bytes };
}
