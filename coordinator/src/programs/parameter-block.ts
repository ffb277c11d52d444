// A block of parameters as one vector: where the graph holds its entries, and in which layout.
import {
  at,
  elementCount,
  type GraphBuilder,
  int,
  intAttribute,
  ints,
  type Node,
  type ShapedGraph,
  typeOf,
} from '../graph/index.js';
import type { Layer } from '../layers/index.js';
import { emitSum } from './gram.js';

/** A value of the graph that holds entries of a block, and how it is laid out there. */
export interface BlockValue {
  /** An initializer of the graph. */
  readonly value: string;
  /** Its shape with axes split so that a permutation of them gives the block's layout. */
  readonly apart: readonly number[];
  /** Axis i of the block's layout is axis perm[i] of `apart`. */
  readonly perm: readonly number[];
  /** The columns [first, end) of the matrix that it holds. */
  readonly columns: readonly [first: number, end: number];
}

/**
 * A parameter as a matrix [rows, columns], row-major. Several values may hold the same entries, as a
 * tied weight's do in two layouts.
 */
export interface ParameterMatrix {
  readonly name: string;
  readonly rows: number;
  readonly columns: number;
  readonly values: readonly BlockValue[];
}

/** Parameters one behind the other: the entries of a vector. */
export type ParameterBlock = readonly ParameterMatrix[];

/** The number of entries. */
export function blockSize(block: ParameterBlock): number {
  return block.reduce((size, { rows, columns }) => size + rows * columns, 0);
}

/** The initializers that hold the block. */
export function blockValues(block: ParameterBlock): readonly string[] {
  return block.flatMap(({ values }) => values.map(({ value }) => value));
}

/**
 * The weight of a layer, [groups * m, n] row-major, with the bias as column n when `joint`.
 * @param graph the model at any batch size
 */
export function layerMatrix(graph: ShapedGraph, layer: Layer, joint: boolean): ParameterMatrix {
  const { groups, outDim, inDim } = layer;
  const nodes = new Map(graph.nodes.map((node) => [node.name, node]));
  const values = new Map<string, BlockValue>();
  for (const use of layer.uses) {
    const node = nodes.get(use.node);
    if (node === undefined) throw new Error(`graph has no node '${use.node}'`);
    const value = weightOf(graph, layer, node, use.input);
    const layout = weightLayout(graph, layer, node, value);
    values.set(value, { value, ...layout, columns: [0, inDim] });
  }
  const withBias = joint && layer.bias !== undefined;
  for (const bias of withBias ? biasesOf(graph, layer, nodes) : [])
    values.set(bias, { value: bias, ...plain(groups * outDim), columns: [inDim, inDim + 1] });
  const columns = inDim + (withBias ? 1 : 0);
  return { name: layer.name, rows: groups * outDim, columns, values: [...values.values()] };
}

/** The layout of values whose entries lie in the matrix's order. */
export function plain(size: number): Pick<BlockValue, 'apart' | 'perm'> {
  return { apart: [size], perm: [0] };
}

/** The operand of a layer's node that is not its input. */
function weightOf(graph: ShapedGraph, layer: Layer, node: Node, input: string): string {
  const value = node.inputs.slice(0, 2).find((operand) => operand !== input);
  if (value === undefined || !graph.initializers.has(value))
    throw new Error(`layer '${layer.name}' has no weight in node '${node.name}'`);
  return value;
}

/** The biases of all uses; a tied weight may have several, which the homogeneous coordinate moves together. */
function biasesOf(
  graph: ShapedGraph,
  { bias, groups, outDim, uses }: Layer,
  nodes: ReadonlyMap<string, Node>,
): readonly string[] {
  const size = groups * outDim;
  const found = uses.flatMap(({ node, output }) => {
    const own = nodes.get(node)?.inputs[2];
    if (own !== undefined && graph.initializers.has(own)) return [own];
    const added = graph.nodes
      .filter(({ op, inputs }) => op === 'Add' && inputs.includes(output))
      .flatMap(({ inputs }) => inputs)
      .find((value) => {
        const held = graph.initializers.get(value);
        return held !== undefined && elementCount(held.shape) === size;
      });
    return added === undefined ? [] : [added];
  });
  return [...new Set(bias === undefined ? found : [bias, ...found])];
}

/** How a weight is laid out, as an array whose permutation is [groups, m, n]. */
function weightLayout(
  graph: ShapedGraph,
  { op, groups, outDim, inDim }: Layer,
  node: Node,
  value: string,
): Pick<BlockValue, 'apart' | 'perm'> {
  // The rows of an embedding are inputs.
  if (op === 'Gather') return { apart: [inDim, outDim], perm: [1, 0] };
  if (op === 'Conv') return plain(groups * outDim * inDim);
  if (op === 'ConvTranspose') {
    // [in, out / groups, ...kernel]
    const shape = typeOf(graph, value).shape;
    const kernel = elementCount(shape.slice(2));
    return { apart: [groups, inDim / kernel, outDim, kernel], perm: [0, 2, 1, 3] };
  }
  const right = node.inputs[1] === value;
  const turned =
    op === 'Gemm' && intAttribute(node, right ? 'transB' : 'transA', 0) === 1 ? !right : right;
  return turned ? { apart: [inDim, outDim], perm: [1, 0] } : plain(outDim * inDim);
}

/**
 * Vectors on a block as directions for its values.
 * @param vectors [K, d]
 * @returns of every value [K, ...its shape]
 */
export function emitDirections(
  b: GraphBuilder,
  graph: ShapedGraph,
  block: ParameterBlock,
  vectors: string,
  count: number,
): ReadonlyMap<string, string> {
  const directions = new Map<string, string>();
  let first = 0;
  for (const { rows, columns, values } of block) {
    const end = first + rows * columns;
    const own = block.length === 1 ? vectors : emitSlice(b, vectors, 1, first, end);
    const matrix = b.reshape(own, [count, rows, columns]);
    first = end;
    for (const { value, apart, perm, columns: place } of values) {
      const part = place[1] - place[0] === columns ? matrix : emitSlice(b, matrix, 2, ...place);
      const ordered = b.reshape(part, [count, ...perm.map((axis) => at(apart, axis))]);
      const shape = [count, ...typeOf(graph, value).shape];
      directions.set(value, b.reshape(emitPermuted(b, ordered, inverse(perm)), shape));
    }
  }
  return directions;
}

/**
 * The other way round: cotangents of the block's values as vectors on the block.
 * @param cotangents of a value [K, ...its shape]; absent: zero
 * @returns [K, d]
 */
export function emitVectors(
  b: GraphBuilder,
  block: ParameterBlock,
  cotangents: ReadonlyMap<string, string>,
  count: number,
): string {
  const parts = block.map((matrix) =>
    b.reshape(emitMatrix(b, matrix, cotangents, count), [count, matrix.rows * matrix.columns]),
  );
  return parts.length === 1 ? (parts[0] as string) : b.emit('Concat', parts, { axis: int(1) });
}

/** [K, rows, columns] */
function emitMatrix(
  b: GraphBuilder,
  { rows, values }: ParameterMatrix,
  cotangents: ReadonlyMap<string, string>,
  count: number,
): string {
  const places = [...new Set(values.map(({ columns }) => columns.join()))];
  const pieces = places.map((place) => {
    const own = values.filter(({ columns }) => columns.join() === place);
    const [first = 0, end = 0] = own[0]?.columns ?? [];
    const parts = own.flatMap(({ value, apart, perm }) => {
      const cotangent = cotangents.get(value);
      if (cotangent === undefined) return [];
      const split = b.reshape(cotangent, [count, ...apart]);
      return [b.reshape(emitPermuted(b, split, perm), [count, rows, end - first])];
    });
    const piece = parts.length === 0 ? emitZeros(b, [count, rows, end - first]) : emitSum(b, parts);
    return { first, piece };
  });
  const ordered = pieces.sort((a, c) => a.first - c.first).map(({ piece }) => piece);
  return ordered.length === 1
    ? (ordered[0] as string)
    : b.emit('Concat', ordered, { axis: int(2) });
}

function emitSlice(
  b: GraphBuilder,
  value: string,
  axis: number,
  first: number,
  end: number,
): string {
  return b.emit('Slice', [value, b.ints([first]), b.ints([end]), b.ints([axis])]);
}

function emitZeros(b: GraphBuilder, shape: readonly number[]): string {
  return b.emit('Expand', [b.scalar(0, 'float32'), b.ints(shape)]);
}

/** Permutes all axes but the first. */
function emitPermuted(b: GraphBuilder, value: string, perm: readonly number[]): string {
  if (perm.every((axis, place) => axis === place)) return value;
  return b.emit('Transpose', [value], { perm: ints([0, ...perm.map((axis) => axis + 1)]) });
}

function inverse(perm: readonly number[]): number[] {
  return perm.map((_, axis) => perm.indexOf(axis));
}
