// Where the samples of the batch lie in each value: from shapes at two batch sizes, and by perturbing one sample.
import { encodeModel } from '../codec/encode-model.js';
import type { Evaluator } from '../evaluator.js';
import { elementCount, type ShapedGraph, type Tensor, typeOf } from '../graph.js';
import { boolTensor, floatTensor, intTensor, tensorElements } from '../tensor.js';
import { at } from '../window.js';

/** Where the samples of the batch lie in a value. */
export interface BatchPlace {
  readonly axis: number;
  /** Other positions that share the axis: its size is batch * merged. */
  readonly merged: number;
  /** Whether the samples are the slow (batch-major) or the fast index of a merged axis. */
  readonly order: 'batch-major' | 'batch-minor';
}

/** Both orders of the axes of a shape that hold a multiple of the batch. */
function placesOf(shape: readonly number[], axes: readonly number[], batch: number): BatchPlace[] {
  return axes.flatMap((axis): BatchPlace[] => {
    const merged = at(shape, axis) / batch;
    if (!Number.isInteger(merged) || merged === 0) return [];
    const place = { axis, merged, order: 'batch-major' } as const;
    return merged === 1 || batch === 1 ? [place] : [place, { ...place, order: 'batch-minor' }];
  });
}

/**
 * The places that the shapes allow for the samples in `value`.
 * @param graph the model at batch size `batch`
 * @param other the model at another batch size, when it can be had: then only axes that grow with
 *   the batch are candidates
 */
export function candidatePlaces(
  value: string,
  graph: ShapedGraph,
  batch: number,
  other: ShapedGraph | undefined,
): readonly BatchPlace[] {
  const { shape } = typeOf(graph, value);
  const axes = [...shape.keys()];
  if (other === undefined) return placesOf(shape, axes, batch);
  const otherShape = typeOf(other, value).shape;
  const growing = axes.filter((axis) => at(shape, axis) !== otherShape[axis]);
  return growing.length === 1 ? placesOf(shape, growing, batch) : [];
}

/** What was seen when one sample was changed. */
export interface Observation {
  /** The one place that agrees with what changed, for every value where there is exactly one. */
  readonly places: ReadonlyMap<string, BatchPlace>;
  /** A value in which other samples than the changed one changed too. */
  readonly mixed: readonly string[];
}

/**
 * Runs the model, changes one sample after the other, and sees which entries of the values follow. Values
 * that have only one candidate are not looked at, unless they are watched: there may be many of them.
 * @param candidates the places that the shapes allow, per value
 * @param batch at least 2
 * @param watched values that must not mix samples
 */
export async function observePlaces(
  graph: ShapedGraph,
  batch: number,
  candidates: ReadonlyMap<string, readonly BatchPlace[]>,
  evaluator: Evaluator,
  watched: readonly string[] = [],
): Promise<Observation> {
  const isOpen = (value: string) => (candidates.get(value) ?? []).length > 1;
  const made = new Set(graph.nodes.flatMap((node) => node.outputs));
  const open = new Set([...watched, ...[...candidates.keys()].filter((value) => isOpen(value))]);
  const values = [...open].filter((value) => made.has(value));
  const model = encodeModel(
    { ...graph, outputs: values.map((name) => ({ name, dtype: 'float32', shape: undefined })) },
    { untypedOutputs: true, constants: evaluator.constants },
  );
  const base = new Map(graph.inputs.map(({ name }) => [name, noise(graph, name)]));
  const run = async (feeds: ReadonlyMap<string, Tensor>) =>
    (await evaluator.evaluate(model, feeds, values)).tensors;
  const before = await run(base);
  const left = new Map(candidates);
  const mixed = new Set<string>();
  for (const sample of [0, batch - 1]) {
    const after = await run(
      new Map([...base].map(([name, tensor]) => [name, withOtherSample(tensor, sample, batch)])),
    );
    for (const value of values) {
      const changed = changes(before.get(value), after.get(value));
      // Nothing follows where a unit is dead; then the other sample has to tell.
      if (changed.length === 0) continue;
      const { shape } = typeOf(graph, value);
      const fits = (left.get(value) ?? []).filter((place) => {
        const sampleAt = sampleOf(shape, place, batch);
        return changed.every((index) => sampleAt(index) === sample);
      });
      if (fits.length === 0) mixed.add(value);
      left.set(value, fits);
    }
  }
  const places = new Map<string, BatchPlace>();
  for (const [value, fits] of left) {
    const [first] = fits;
    if (first !== undefined && fits.length === 1) places.set(value, first);
  }
  return { places, mixed: [...mixed] };
}

/** Which sample an entry (row-major) of a value belongs to. */
function sampleOf(
  shape: readonly number[],
  { axis, merged, order }: BatchPlace,
  batch: number,
): (index: number) => number {
  const inner = elementCount(shape.slice(axis + 1));
  const size = at(shape, axis);
  return order === 'batch-major'
    ? (index) => Math.floor((Math.floor(index / inner) % size) / merged)
    : (index) => (Math.floor(index / inner) % size) % batch;
}

/** The entries (row-major) that differ. */
function changes(before: Tensor | undefined, after: Tensor | undefined): Uint32Array {
  if (before === undefined || after === undefined) throw new Error('a fetched value is missing');
  const [old, now] = [tensorElements(before), tensorElements(after)];
  const changed = new Uint32Array(now.length);
  let count = 0;
  for (let index = 0; index < now.length; index += 1) {
    const value = now[index] ?? NaN;
    const was = old[index] ?? NaN;
    if (value === was) continue;
    // Kernels may round a row differently when its neighbour changes; that is no influence.
    if (Math.abs(value - was) > 1e-4 * Math.max(1e-3, Math.abs(value), Math.abs(was))) {
      changed[count] = index;
      count += 1;
    }
  }
  return changed.subarray(0, count);
}

/** Deterministic values in [0, 1) for floats, zeros otherwise. */
function noise(graph: ShapedGraph, name: string, stream = 1): Tensor {
  const { dtype, shape } = typeOf(graph, name);
  return fill(dtype, shape, stream);
}

function fill(dtype: Tensor['dtype'], shape: readonly number[], stream: number): Tensor {
  const values = Array.from({ length: elementCount(shape) }, (_, index) => {
    const mixed = Math.imul(index + 1 + stream * 7919, 2654435761) >>> 0;
    return (Math.imul(mixed ^ (mixed >>> 15), 2246822519) >>> 0) / 2 ** 32;
  });
  if (dtype === 'float32' || dtype === 'float64') return floatTensor(values, shape, dtype);
  if (dtype === 'int64' || dtype === 'int32')
    return intTensor(
      values.map((value) => (value < 0.5 ? 0 : 1)),
      shape,
      dtype,
    );
  if (dtype === 'bool')
    return boolTensor(
      values.map((value) => value >= 0.5),
      shape,
    );
  throw new Error(`inputs of type ${dtype} are not supported`);
}

/** The tensor with the rows of one sample (leading axis) drawn anew. */
function withOtherSample(tensor: Tensor, sample: number, batch: number): Tensor {
  const bytes = Uint8Array.from(tensor.bytes);
  const rowBytes = bytes.byteLength / batch;
  const other = fill(tensor.dtype, tensor.shape, 2).bytes;
  bytes.set(other.subarray(sample * rowBytes, (sample + 1) * rowBytes), sample * rowBytes);
  return { ...tensor, bytes };
}
