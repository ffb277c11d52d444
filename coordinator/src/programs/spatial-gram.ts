// The input factor of a convolution on small maps, by the Gram matrix of whole maps: unfolded once, at the end of the run.
import {
  at,
  elementCount,
  type GraphBuilder,
  ints,
  type Node,
  type ShapedGraph,
  typeOf,
} from '../graph/index.js';
import { windowGeometry } from '../graph/window.js';
import type { Layer } from '../layers/index.js';
import { emitMatrixGram } from './matrix-gram.js';

/**
 * Terminology. D = channels of a group * input positions is the length of a map. The *spatial Gram*
 * of a group is sum over samples of v v^T, v [D] the input map laid out flat. The input factor
 * E[X X^T] sums entries of it, for X's rows are entries of v.
 */
export interface SpatialFold {
  /** Rows n and columns P of X. */
  readonly features: number;
  readonly positions: number;
  readonly mapLength: number;
  /** [n, P]: where entry (row, position) of X lies in v; -1 for padding. */
  readonly source: Int32Array;
}

/** Maps of this length have a Gram matrix of 32 MB. */
const LONGEST_MAP = 2048;
/** What moving one entry of X costs, in multiply-adds of a matrix product. */
const COPY_COST = 64;

/** The fold of a layer; undefined where its input is better unfolded batch by batch. */
export function layerFold(
  graph: ShapedGraph,
  nodes: ReadonlyMap<string, Node>,
  layer: Layer,
  options: { readonly sharing: 'expand' | 'reduce'; readonly bias: 'separate' | 'joint' },
): SpatialFold | undefined {
  const [use] = layer.uses;
  const node = use === undefined ? undefined : nodes.get(use.node);
  if (layer.op !== 'Conv' || use === undefined || node === undefined || layer.uses.length > 1)
    return undefined;
  if (options.sharing !== 'expand' || (options.bias === 'joint' && layer.bias !== undefined))
    return undefined;
  const kernel = typeOf(graph, node.inputs[1] as string).shape.slice(2);
  return spatialFold(
    node,
    typeOf(graph, use.input).shape,
    kernel,
    typeOf(graph, use.output).shape.slice(2),
  );
}

/**
 * The fold of a convolution, or undefined where unfolding every batch is cheaper.
 * @param shape of the convolution's input, [B, channels, ...spatial]
 * @param outputSpatial the node's output sizes
 */
export function spatialFold(
  node: Node,
  shape: readonly number[],
  kernel: readonly number[],
  outputSpatial: readonly number[],
): SpatialFold | undefined {
  const spatial = shape.slice(2);
  const { groups, padsBegin, strides, dilations } = windowGeometry(node, spatial, kernel);
  const channels = at(shape, 1) / groups;
  const area = elementCount(spatial);
  const mapLength = channels * area;
  const features = channels * elementCount(kernel);
  const positions = elementCount(outputSpatial);
  if (mapLength > LONGEST_MAP) return undefined;
  if (mapLength ** 2 > positions * features * (features + COPY_COST)) return undefined;
  const source = new Int32Array(features * positions).fill(-1);
  const windows = [...indices(outputSpatial)];
  let next = 0;
  for (let channel = 0; channel < channels; channel++) {
    for (const offset of indices(kernel)) {
      for (const window of windows) {
        const place = window.map(
          (p, axis) =>
            p * at(strides, axis) + at(offset, axis) * at(dilations, axis) - at(padsBegin, axis),
        );
        const inside = place.every((p, axis) => p >= 0 && p < at(spatial, axis));
        if (inside)
          source[next] =
            channel * area + place.reduce((flat, p, axis) => flat * at(spatial, axis) + p, 0);
        next += 1;
      }
    }
  }
  return { features, positions, mapLength, source };
}

/** All indices of a shape, row-major. */
function* indices(shape: readonly number[]): Generator<readonly number[]> {
  const total = elementCount(shape);
  for (let flat = 0; flat < total; flat++) {
    const index: number[] = [];
    let rest = flat;
    for (const size of [...shape].reverse()) {
      index.unshift(rest % size);
      rest = Math.floor(rest / size);
    }
    yield index;
  }
}

/**
 * sum over samples of v v^T.
 * @param x the input maps [B, channels, ...spatial]
 * @returns [groups, D, D], of which the upper triangle counts
 */
export function emitSpatialGram(
  b: GraphBuilder,
  x: string,
  batch: number,
  groups: number,
  mapLength: number,
): string {
  const shape = [groups, mapLength, mapLength];
  if (groups === 1) {
    const rows = b.reshape(x, [batch, mapLength]);
    const matrix = { value: rows, axis: 1, features: mapLength, length: batch } as const;
    return b.reshape(emitMatrixGram(b, [matrix], 'upper'), shape);
  }
  const rows = b.emit('Transpose', [b.reshape(x, [batch, groups, mapLength])], {
    perm: ints([1, 0, 2]),
  });
  const transposed = b.emit('Transpose', [rows], { perm: ints([0, 2, 1]) });
  return b.emit('MatMul', [transposed, rows]);
}

/**
 * X X^T of one group, summed over samples and positions.
 * @param gram one group's spatial Gram as its packed upper triangle, row by row
 * @returns the packed upper triangle [n, n]
 */
export function foldSpatialGram(gram: Float64Array, fold: SpatialFold): Float64Array {
  const { features, positions, mapLength, source } = fold;
  const rowStart = Float64Array.from(
    { length: mapLength },
    (_, row) => row * mapLength - (row * (row + 1)) / 2,
  );
  const packed = new Float64Array((features * (features + 1)) / 2);
  let next = 0;
  for (let i = 0; i < features; i++) {
    for (let j = i; j < features; j++) {
      let sum = 0;
      for (let p = 0; p < positions; p++) {
        const a = source[i * positions + p] as number;
        const c = source[j * positions + p] as number;
        if (a < 0 || c < 0) continue;
        sum +=
          (a <= c ? gram[(rowStart[a] as number) + c] : gram[(rowStart[c] as number) + a]) ?? 0;
      }
      packed[next++] = sum;
    }
  }
  return packed;
}
