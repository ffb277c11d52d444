// The exact Gauss-Newton block of a layer: what is captured per sample, its products with vectors, its dense form.
import { at, type GraphBuilder, int, ints, type Node, type ShapedGraph } from '../graph/index.js';
import type { Layer, LayerUse } from '../layers/index.js';
import { emitSum } from './gram.js';
import {
  type BatchPlaces,
  emitHomogeneous,
  emitLayerCotangent,
  emitLayerInput,
  type MatrixBatch,
} from './layer-inputs.js';

/**
 * Terminology. The whole weight of a layer is W [G, m, n] (G groups). For one use of it, a sample has
 * inputs X [G, P, n] and output-Hessian columns g [C, P, G, m]. Column c of the sample's Jacobian is
 * J_c = sum over uses and p of g[c, p] (outer) X[p], [G, m, n], and the block is
 * H = E[sum_c vec(J_c) vec(J_c)^T] (Gauss-Newton; arXiv 2010.04261, section 2).
 */
export interface SampleFactors {
  /** X of every use, [B, G, P, n]. */
  readonly inputs: readonly string[];
  /** g of every use that reaches the logits, [B, C, P * G * m]; the same order. */
  readonly cotangents: readonly string[];
}

export interface GgnShape {
  readonly batch: number;
  readonly columns: number;
  readonly groups: number;
  readonly outDim: number;
  readonly inDim: number;
  /** P of each use. */
  readonly positions: readonly number[];
}

/** X [B, G, P, n] of one use, with the homogeneous coordinate when `joint`. */
export function emitSampleInput(
  b: GraphBuilder,
  graph: ShapedGraph,
  nodes: ReadonlyMap<string, Node>,
  places: BatchPlaces,
  layer: Layer,
  use: LayerUse,
  batch: number,
  joint: boolean,
): string {
  const plain = emitLayerInput(b, graph, nodes, places, layer, use, batch);
  const x = joint ? emitHomogeneous(b, plain, b.scalar(1, 'float32')) : plain;
  const shape = [batch, x.groups, x.positions, x.features];
  if (x.layout === 'rows') return b.reshape(x.value, shape);
  const apart = b.reshape(x.value, [x.groups, x.features, x.positions, batch]);
  return b.emit('Transpose', [apart], { perm: ints([3, 0, 2, 1]) });
}

/** g [B, C, P * G * m] of one use. */
export function emitSampleCotangent(
  b: GraphBuilder,
  graph: ShapedGraph,
  places: BatchPlaces,
  layer: Layer,
  use: LayerUse,
  cotangent: string,
  columns: number,
  batch: number,
): string {
  const g = emitLayerCotangent(b, graph, places, layer, use, cotangent, columns, batch);
  const [apart, perm] = cotangentOrder(g, columns, batch);
  const ordered = b.emit('Transpose', [b.reshape(g.value, apart)], { perm: ints(perm) });
  return b.reshape(ordered, [batch, columns, g.positions * g.groups * g.features]);
}

function cotangentOrder(
  g: MatrixBatch,
  columns: number,
  batch: number,
): readonly [readonly number[], readonly number[]] {
  return g.layout === 'rows'
    ? [
        [columns, batch, g.positions, g.features],
        [1, 0, 2, 3],
      ]
    : [
        [columns, batch, g.groups, g.features, g.positions],
        [1, 0, 4, 2, 3],
      ];
}

/**
 * sum over samples of sum_c J_c <J_c, V_k>, for K vectors at once, by
 * u = <g, X V^T> and then sum of u g X^T; nothing of size [C, m, n] is formed.
 * @param probe V [K, G, m, n]
 * @returns [K, G, m, n]
 */
export function emitGgnProduct(
  b: GraphBuilder,
  factors: SampleFactors,
  shape: GgnShape,
  probe: string,
  vectors: number,
): string {
  const { batch, groups, outDim: m, inDim: n } = shape;
  const rowsOf = (use: number) => groupRows(b, factors.inputs[use] as string, shape, use);
  const projected = emitProjection(b, shape, probe, vectors);
  const projections = factors.cotangents.map((g, use) => {
    const positions = at(shape.positions, use);
    // [G, B * P, K * m] -> [B, K, P, G, m]
    const y = b.reshape(projected(rowsOf(use), positions), [groups, batch, positions, vectors, m]);
    const bySample = b.reshape(b.emit('Transpose', [y], { perm: ints([1, 3, 2, 0, 4]) }), [
      batch,
      vectors,
      positions * groups * m,
    ]);
    const flipped = b.emit('Transpose', [g], { perm: ints([0, 2, 1]) });
    return b.emit('MatMul', [bySample, flipped]);
  });
  // u [B, K, C]
  const u = emitSum(b, projections);
  const products = factors.cotangents.map((g, use) => {
    const positions = at(shape.positions, use);
    const t = b.reshape(b.emit('MatMul', [u, g]), [batch, vectors, positions, groups, m]);
    const byGroup = b.reshape(b.emit('Transpose', [t], { perm: ints([3, 0, 2, 1, 4]) }), [
      groups,
      batch * positions,
      vectors * m,
    ]);
    const flipped = b.emit('Transpose', [byGroup], { perm: ints([0, 2, 1]) });
    return b.emit('MatMul', [flipped, rowsOf(use)]);
  });
  const total = b.reshape(emitSum(b, products), [groups, vectors, m, n]);
  return b.emit('Transpose', [total], { perm: ints([1, 0, 2, 3]) });
}

/**
 * X V^T [G, B * P, K * m] of a use's X [G, B * P, n]. Gemm transposes V as it goes, for one group; a
 * Transpose takes a fifth of the whole product's time.
 */
function emitProjection(
  b: GraphBuilder,
  { batch, groups, outDim: m, inDim: n }: GgnShape,
  probe: string,
  vectors: number,
): (rows: string, positions: number) => string {
  if (groups === 1) {
    const rows = b.reshape(probe, [vectors * m, n]);
    return (x, positions) =>
      b.emit('Gemm', [b.reshape(x, [batch * positions, n]), rows], { transB: int(1) });
  }
  const columns = b.reshape(b.emit('Transpose', [probe], { perm: ints([1, 3, 0, 2]) }), [
    groups,
    n,
    vectors * m,
  ]);
  return (x) => b.emit('MatMul', [x, columns]);
}

/** X of one use as [G, B * P, n]. */
function groupRows(b: GraphBuilder, x: string, shape: GgnShape, use: number): string {
  const { batch, groups, inDim } = shape;
  const ordered = groups === 1 ? x : b.emit('Transpose', [x], { perm: ints([1, 0, 2, 3]) });
  return b.reshape(ordered, [groups, batch * at(shape.positions, use), inDim]);
}

/** The Jacobian columns J [B * C, G * m * n], vec row-major. */
export function emitJacobian(b: GraphBuilder, factors: SampleFactors, shape: GgnShape): string {
  const { batch, columns, groups, outDim: m, inDim: n } = shape;
  const parts = factors.cotangents.map((g, use) => {
    const positions = at(shape.positions, use);
    const apart = b.reshape(g, [batch, columns, positions, groups, m]);
    const byGroup = b.reshape(b.emit('Transpose', [apart], { perm: ints([0, 3, 1, 4, 2]) }), [
      batch,
      groups,
      columns * m,
      positions,
    ]);
    return b.emit('MatMul', [byGroup, factors.inputs[use] as string]);
  });
  const total = b.reshape(emitSum(b, parts), [batch, groups, columns, m, n]);
  const ordered = b.emit('Transpose', [total], { perm: ints([0, 2, 1, 3, 4]) });
  return b.reshape(ordered, [batch * columns, groups * m * n]);
}

/** sum over samples and columns of vec(J) vec(J)^T: [d, d], d = G * m * n. */
export function emitDenseGgn(b: GraphBuilder, jacobian: string): string {
  return b.emit('Gemm', [jacobian, jacobian], { transA: int(1) });
}

/** sum over samples and columns of ||J||^2, the trace of the block: [1]. */
export function emitJacobianNorm(b: GraphBuilder, jacobian: string): string {
  const squares = b.emit('Mul', [jacobian, jacobian]);
  const total = b.emit('ReduceSum', [squares, b.ints([0, 1])], { keepdims: int(0) });
  return b.reshape(total, [1]);
}
