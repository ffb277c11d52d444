// E[X] E[X]^T of layers with several positions: what the mean alignment of convolutions is measured against.
import { encodeModel, GraphBuilder, type Node, type ShapedGraph, typeOf } from '../graph/index.js';
import { isEmbedding, type Layer, type LayerUse } from '../layers/index.js';
import { type FactorOptions, factorInputDim, isJoint } from './factor-options.js';
import { emitGram, emitTotal } from './gram.js';
import {
  type BatchPlaces,
  emitConvolutionInput,
  emitHomogeneous,
  emitLayerInput,
  emitWeighted,
  type MatrixBatch,
} from './layer-inputs.js';

export function isConvolution(layer: Layer): boolean {
  return layer.op === 'Conv' || layer.op === 'ConvTranspose';
}

/** Whether the mean input of the layer is a matrix [n, P] rather than a vector. */
export function wantsMeanMap(layer: Layer, options: Pick<FactorOptions, 'sharing'>): boolean {
  return layer.positions > 1 && options.sharing === 'expand' && !isEmbedding(layer);
}

/**
 * The sum over samples of a use's input before unfolding: [channels, ...spatial] for convolutions,
 * [positions, features] for token-shared layers. Unfolding is linear, so it can wait.
 */
export function emitMeanMap(
  b: GraphBuilder,
  graph: ShapedGraph,
  nodes: ReadonlyMap<string, Node>,
  places: BatchPlaces,
  layer: Layer,
  use: LayerUse,
  batch: number,
  weight: string | undefined,
): { readonly value: string; readonly shape: readonly number[] } {
  if (!isConvolution(layer)) {
    const rows = emitLayerInput(b, graph, nodes, places, layer, use, batch);
    const { value } = weight === undefined ? rows : emitWeighted(b, rows, weight);
    return { value: sumOverSamples(b, value), shape: [rows.positions, rows.features] };
  }
  const x = emitWeightedMap(b, graph, use, batch, weight);
  return { value: sumOverSamples(b, x), shape: typeOf(graph, use.input).shape.slice(1) };
}

/** A use's input before unfolding, [B, ...], padded samples set to 0. */
export function emitWeightedMap(
  b: GraphBuilder,
  graph: ShapedGraph,
  use: LayerUse,
  batch: number,
  weight: string | undefined,
): string {
  if (weight === undefined) return use.input;
  const { shape } = typeOf(graph, use.input);
  return b.emit('Mul', [use.input, b.reshape(weight, [batch, ...shape.slice(1).map(() => 1)])]);
}

/**
 * The sum over samples and positions of a use's input, [groups, features]: unfolded after the sum
 * over samples, when little is left.
 */
export function emitMeanTotal(
  b: GraphBuilder,
  graph: ShapedGraph,
  nodes: ReadonlyMap<string, Node>,
  layer: Layer,
  use: LayerUse,
  map: { readonly value: string; readonly shape: readonly number[] },
): string {
  const shape = [1, ...map.shape];
  const one = b.reshape(map.value, shape);
  return emitTotal(b, emitConvolutionInput(b, graph, nodes, layer, use, one, shape));
}

function sumOverSamples(b: GraphBuilder, value: string): string {
  return b.emit('ReduceSum', [value, b.ints([0])], { keepdims: { kind: 'int', value: 0 } });
}

/** An ONNX model from the mean maps of a layer's uses (float64, in order) to `gram` [groups, n, n]. */
export interface MeanGram {
  readonly model: Uint8Array;
  /** Names of the model's inputs: one per use of the layer. */
  readonly inputs: readonly string[];
  readonly shapes: readonly (readonly number[])[];
  readonly groups: number;
  /** n, with the homogeneous coordinate where the bias is joint. */
  readonly dim: number;
}

/**
 * @param graph the model at any batch size
 * @returns undefined where the mean input is a plain vector
 */
export function buildMeanGram(
  graph: ShapedGraph,
  layer: Layer,
  options: FactorOptions,
): MeanGram | undefined {
  if (!wantsMeanMap(layer, options)) return undefined;
  const b = new GraphBuilder({
    ...graph,
    inputs: [],
    outputs: [],
    nodes: [],
    initializers: new Map(),
  });
  const nodes = new Map(graph.nodes.map((node) => [node.name, node]));
  const linear = !isConvolution(layer);
  const shapes = layer.uses.map((use) =>
    linear ? [use.positions, layer.inDim] : typeOf(graph, use.input).shape.slice(1),
  );
  const inputs = layer.uses.map((_, index) => `mean_map_${index}`);
  const matrices = layer.uses.map((use, index): MatrixBatch => {
    const name = inputs[index] as string;
    const shape = [1, ...(shapes[index] as readonly number[])];
    const x: MatrixBatch = linear
      ? {
          layout: 'rows',
          value: b.reshape(name, shape),
          batch: 1,
          groups: 1,
          features: layer.inDim,
          positions: use.positions,
        }
      : emitConvolutionInput(b, graph, nodes, layer, use, b.reshape(name, shape), shape);
    return isJoint(layer, options) ? emitHomogeneous(b, x, b.scalar(1, 'float64')) : x;
  });
  const dim = factorInputDim(layer, options);
  const gram = b.alias(b.reshape(emitGram(b, matrices), [layer.groups, dim, dim]), 'gram');
  const program = b.build(
    [{ name: gram, dtype: 'float64', shape: [layer.groups, dim, dim] }],
    inputs.map((name, index) => ({ name, dtype: 'float64', shape: shapes[index] })),
  );
  return { model: encodeModel(program), inputs, shapes, groups: layer.groups, dim };
}
