// Brings layer inputs and cotangents into layouts that sums over samples and positions are cheap in.

import type { BatchPlace } from '../graph/index.js';
import { at, type GraphBuilder, int, type Node, type ShapedGraph, typeOf } from '../graph/index.js';
import { transposedWindowGeometry } from '../graph/transposed-window.js';
import { windowGeometry } from '../graph/window.js';
import { isVectorwise, type Layer, type LayerUse } from '../layers/index.js';
import { emitUnfold, emitUnfoldTransposed } from './unfold.js';

/**
 * A batch of matrices, each as it comes at least cost.
 * - `rows`: [batch, positions, features], one group: inputs and cotangents of linear layers;
 * - `columns`: [batch, groups, features, positions]: cotangents of convolutions;
 * - `features`: [groups, features, positions * batch]: unfolded inputs of convolutions.
 */
export interface MatrixBatch {
  readonly layout: 'rows' | 'columns' | 'features';
  readonly value: string;
  readonly batch: number;
  readonly groups: number;
  readonly features: number;
  readonly positions: number;
}

/** Where the samples lie in each value of a graph. */
export type BatchPlaces = ReadonlyMap<string, BatchPlace>;

/** A value's samples cannot be told apart, so positions and samples would be mixed up. */
export class UnknownBatchAxisError extends Error {
  readonly code = 'unknown-batch-axis';
  constructor(layer: string, value: string) {
    super(`layer '${layer}': cannot tell along which axis of '${value}' the samples lie`);
    this.name = 'UnknownBatchAxisError';
  }
}

/** The layer input X of one use; convolutions are unfolded. */
export function emitLayerInput(
  b: GraphBuilder,
  graph: ShapedGraph,
  nodes: ReadonlyMap<string, Node>,
  places: BatchPlaces,
  layer: Layer,
  use: LayerUse,
  batch: number,
): MatrixBatch {
  const shape = typeOf(graph, use.input).shape;
  if (isVectorwise(layer)) {
    return linearRows(b, layer, use.input, shape, use.inputAxis, 0, places, batch);
  }
  return emitConvolutionInput(b, graph, nodes, layer, use, use.input, shape);
}

/** Unfolds `x` (of shape `shape`, any batch size) as the input of a convolution's use. */
export function emitConvolutionInput(
  b: GraphBuilder,
  graph: ShapedGraph,
  nodes: ReadonlyMap<string, Node>,
  layer: Layer,
  use: LayerUse,
  x: string,
  shape: readonly number[],
): MatrixBatch {
  const node = nodes.get(use.node);
  if (node === undefined) throw new Error(`graph has no node '${use.node}'`);
  const kernel = typeOf(graph, node.inputs[1] as string).shape.slice(2);
  const spatial = shape.slice(2);
  const outputSpatial = typeOf(graph, use.output).shape.slice(2);
  const { value, features, positions } =
    layer.op === 'Conv'
      ? emitUnfold(b, x, shape, windowGeometry(node, spatial, kernel), outputSpatial)
      : emitUnfoldTransposed(
          b,
          x,
          shape,
          transposedWindowGeometry(node, spatial, outputSpatial, kernel),
          outputSpatial,
        );
  const batch = at(shape, 0);
  return {
    layout: 'features',
    value: b.reshape(value, [layer.groups, features, batch * positions]),
    batch,
    groups: layer.groups,
    features,
    positions,
  };
}

/** The cotangent g [C, ...shape of z] of one use, as C * B matrices. */
export function emitLayerCotangent(
  b: GraphBuilder,
  graph: ShapedGraph,
  places: BatchPlaces,
  layer: Layer,
  use: LayerUse,
  cotangent: string,
  columns: number,
  batch: number,
): MatrixBatch {
  const shape = typeOf(graph, use.output).shape;
  if (isVectorwise(layer)) {
    const all = linearRows(
      b,
      layer,
      cotangent,
      [columns, ...shape],
      use.outputAxis + 1,
      1,
      places,
      batch,
      use.output,
    );
    if (layer.rows === undefined) return all;
    const kept = b.emit('Gather', [all.value, b.ints(layer.rows)], { axis: int(2) });
    return { ...all, value: kept, features: layer.outDim };
  }
  const positions = use.positions;
  return {
    layout: 'columns',
    value: b.reshape(cotangent, [columns * batch, layer.groups, layer.outDim, positions]),
    batch: columns * batch,
    groups: layer.groups,
    features: layer.outDim,
    positions,
  };
}

/**
 * Moves the samples to the front and the features to the back: [lead * B, P, features].
 * @param lead number of leading axes that are no part of the place's value (the column axis)
 */
export function linearRows(
  b: GraphBuilder,
  layer: Layer,
  value: string,
  shape: readonly number[],
  featureAxis: number,
  lead: number,
  places: BatchPlaces,
  batch: number,
  placed: string = value,
): MatrixBatch {
  const features = at(shape, featureAxis);
  const total = shape.reduce((product, size) => product * size, 1);
  const leading = shape.slice(0, lead).reduce((product, size) => product * size, 1);
  const positions = total / features / leading / batch;
  const done = (rows: string): MatrixBatch => ({
    layout: 'rows',
    value: b.reshape(rows, [leading * batch, positions, features]),
    batch: leading * batch,
    groups: 1,
    features,
    positions,
  });
  const place = places.get(placed);
  if (positions === 1 && featureAxis === shape.length - 1) return done(value);
  // One sample has all positions; without a place only a single position is unambiguous.
  if (place === undefined || batch === 1) {
    if (positions !== 1 && batch !== 1) throw new UnknownBatchAxisError(layer.name, placed);
    const order = [...shape.keys()].filter((axis) => axis !== featureAxis);
    return done(
      b.emit('Transpose', [value], { perm: { kind: 'ints', value: [...order, featureAxis] } }),
    );
  }
  // Split a merged axis so that the samples have an axis of their own.
  const batchAxis = place.axis + lead;
  const split =
    place.merged === 1
      ? [batch]
      : place.order === 'batch-major'
        ? [batch, place.merged]
        : [place.merged, batch];
  const sizes = [...shape.slice(0, batchAxis), ...split, ...shape.slice(batchAxis + 1)];
  const sampleAxis = place.merged > 1 && place.order !== 'batch-major' ? batchAxis + 1 : batchAxis;
  const feature = featureAxis > batchAxis ? featureAxis + split.length - 1 : featureAxis;
  const others = [...sizes.keys()].filter(
    (axis) => axis >= lead && axis !== sampleAxis && axis !== feature,
  );
  const order = [
    ...Array.from({ length: lead }, (_, axis) => axis),
    sampleAxis,
    ...others,
    feature,
  ];
  const apart = place.merged === 1 ? value : b.reshape(value, sizes);
  const inOrder = order.every((axis, index) => axis === index);
  return done(
    inOrder ? apart : b.emit('Transpose', [apart], { perm: { kind: 'ints', value: order } }),
  );
}

/** Appends the homogeneous coordinate 1 to the features (bias treated jointly with the weight). */
export function emitHomogeneous(b: GraphBuilder, x: MatrixBatch, one: string): MatrixBatch {
  const { shape, featureAxis } = layoutOf(x);
  const ones = b.emit('Expand', [
    one,
    b.ints(shape.map((size, axis) => (axis === featureAxis ? 1 : size))),
  ]);
  return {
    ...x,
    features: x.features + 1,
    value: b.emit('Concat', [x.value, ones], { axis: int(featureAxis) }),
  };
}

/** Multiplies every sample by its weight [B] (0 for padding). */
export function emitWeighted(b: GraphBuilder, x: MatrixBatch, sampleWeight: string): MatrixBatch {
  const { apart, shape, sampleAxis } = layoutOf(x);
  const weights = b.reshape(
    sampleWeight,
    apart.map((size, axis) => (axis === sampleAxis ? size : 1)),
  );
  const product = b.emit('Mul', [b.reshape(x.value, apart), weights]);
  return { ...x, value: b.reshape(product, shape) };
}

/** The shape of a batch of matrices, and with samples and positions on axes of their own. */
export function layoutOf({ layout, batch, groups, features, positions }: MatrixBatch): {
  readonly shape: readonly number[];
  readonly featureAxis: number;
  /** As `shape`, but samples and positions have an axis each. */
  readonly apart: readonly number[];
  readonly sampleAxis: number;
  readonly positionAxis: number;
} {
  switch (layout) {
    case 'rows': {
      const shape = [batch, positions, features];
      return { shape, featureAxis: 2, apart: shape, sampleAxis: 0, positionAxis: 1 };
    }
    case 'columns': {
      const shape = [batch, groups, features, positions];
      return { shape, featureAxis: 2, apart: shape, sampleAxis: 0, positionAxis: 3 };
    }
    case 'features': {
      const shape = [groups, features, positions * batch];
      const apart = [groups, features, positions, batch];
      return { shape, featureAxis: 1, apart, sampleAxis: 3, positionAxis: 2 };
    }
  }
}
