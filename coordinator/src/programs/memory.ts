// How much memory a factor program takes, and how layers are put into programs that fit.
import { elementCount, type ShapedGraph } from '../graph/index.js';
import { isEmbedding, type Layer } from '../layers/index.js';
import type { BuiltProgram } from './built-program.js';
import { blockDim, type FactorOptions, factorInputDim } from './factor-options.js';

const FLOAT_BYTES = 4;
const DOUBLE_BYTES = 8;
/** Live cotangent buffers at a time: what comes in, what goes out, a mask applied between. */
const LIVE_COTANGENTS = 3;
/** Partial sums that a worker holds: the batch's own and the open levels of the summation tree. */
const OPEN_SUMS = 6;

/**
 * Bytes that one execution keeps for activations and cotangents, per sample of the batch.
 * @param graph the model at batch size `batch`
 * @param columns C, the columns that are pulled back together
 */
export function bytesPerSample(
  graph: ShapedGraph,
  batch: number,
  layers: readonly Layer[],
  columns: number,
  options: FactorOptions,
): number {
  let all = 0;
  let largest = 0;
  for (const [value, type] of graph.types) {
    if (graph.initializers.has(value)) continue;
    const size = elementCount(type.shape) / batch;
    all += size;
    largest = Math.max(largest, size);
  }
  const unfolded = Math.max(
    0,
    ...layers.flatMap((layer) =>
      layer.uses.map(
        (use) => (isEmbedding(layer) ? 1 : layer.groups * layer.inDim) * use.positions,
      ),
    ),
  );
  const exact = Math.max(0, ...layers.map((layer) => jacobianFloats(layer, columns, options)));
  return FLOAT_BYTES * (all + LIVE_COTANGENTS * columns * largest + 2 * unfolded + 2 * exact);
}

/** Floats of one sample's Jacobian columns, where the exact sums need them. */
function jacobianFloats(layer: Layer, columns: number, options: FactorOptions): number {
  if (options.exact === undefined || isEmbedding(layer)) return 0;
  const dim = blockDim(layer, options);
  return layer.positions > 1 || dim <= options.exact.denseLimit ? columns * dim : 0;
}

/**
 * Bytes that multiplying `vectors` vectors by a layer's exact block keeps, per sample of the batch:
 * what was captured, its projections and their transposes.
 */
export function productBytesPerSample(
  layer: Layer,
  columns: number,
  options: FactorOptions,
  vectors: number,
): number {
  const rows = layer.positions * layer.groups;
  const captured = rows * (factorInputDim(layer, options) + columns * layer.outDim);
  return FLOAT_BYTES * (2 * captured + 4 * rows * layer.outDim * vectors);
}

/** Bytes for a layer's sums while batches are added up. */
export function sumBytes(layer: Layer, options: FactorOptions): number {
  if (isEmbedding(layer))
    return (layer.inDim + layer.outDim ** 2) * (FLOAT_BYTES + (DOUBLE_BYTES / 2) * OPEN_SUMS);
  const dim = blockDim(layer, options);
  const dense = options.exact !== undefined && dim <= options.exact.denseLimit ? dim ** 2 : 0;
  const values = layer.groups * (layer.inDim ** 2 + layer.outDim ** 2) + dense;
  return values * (FLOAT_BYTES + (DOUBLE_BYTES / 2) * OPEN_SUMS);
}

/** Bytes that a pass over the data keeps at its peak: one execution, and the sums of these layers. */
export function passBytes(
  graph: ShapedGraph,
  batch: number,
  layers: readonly Layer[],
  columns: number,
  options: FactorOptions,
): number {
  const sums = layers.reduce((bytes, layer) => bytes + sumBytes(layer, options), 0);
  return Math.ceil(batch * bytesPerSample(graph, batch, layers, columns, options) + sums);
}

/** Bytes of a program's outputs in one execution. */
export function outputBytes({ manifest }: BuiltProgram): number {
  const sizes = manifest.outputs.map(({ shape }) => elementCount(shape.map(Number)));
  return FLOAT_BYTES * sizes.reduce((sum, size) => sum + size, 0);
}

/** Vectors of a Krylov basis beside those that are wanted, at least. */
const KRYLOV_ROOM = 64;

/**
 * Bytes that finding the top eigenpairs of a block keeps at its peak: the basis and its products.
 * @param dim the block is dim x dim
 */
export function krylovBytes(dim: number, top: number): number {
  return 2 * DOUBLE_BYTES * dim * Math.min(dim, top + Math.max(top, KRYLOV_ROOM));
}

/**
 * The largest power of two up to `most` whose execution takes at most a quarter of the memory limit
 * (several run side by side), at least 1.
 */
export function batchWithin(memoryBytes: number, perSample: number, most: number): number {
  let batch = 1;
  while (batch * 2 <= most && batch * 2 * perSample <= memoryBytes / 4) batch *= 2;
  return batch;
}

/** Consecutive layers in groups whose sums take at most a quarter of the memory limit. */
export function groupLayers(
  layers: readonly Layer[],
  memoryBytes: number,
  options: FactorOptions,
): Layer[][] {
  const groups: Layer[][] = [];
  let room = 0;
  for (const layer of layers) {
    const need = sumBytes(layer, options);
    const group = groups.at(-1);
    if (group === undefined || need > room) {
      groups.push([layer]);
      room = memoryBytes / 4 - need;
    } else {
      group.push(layer);
      room -= need;
    }
  }
  return groups;
}
