// The factor program: one differentiated ONNX program that yields, for all its layers in one pass
// over the data, the sums behind E[x x^T], E[M] and E[x].
import { GraphBuilder, type Node } from '../graph/index.js';
import { isEmbedding, type Layer, type LayerUse } from '../layers/index.js';
import { type BackwardRequest, emitCotangentChunks, type LayerCotangents } from './backward.js';
import type { BuiltProgram } from './built-program.js';
import { emitRowCounts } from './embedding.js';
import { emitExactSums } from './exact-sums.js';
import { factorInputDim, isJoint } from './factor-options.js';
import { emitGram, emitReduced, emitSum, emitTotal } from './gram.js';
import {
  emitHomogeneous,
  emitLayerCotangent,
  emitLayerInput,
  emitWeighted,
  type MatrixBatch,
} from './layer-inputs.js';
import { emitLossHessian, emitLossSums } from './loss-sums.js';
import {
  emitMeanMap,
  emitMeanTotal,
  emitWeightedMap,
  isConvolution,
  wantsMeanMap,
} from './mean-gram.js';
import { finishProgram, ProgramInputs, ProgramOutputs } from './program-io.js';
import { emitSpatialGram, layerFold } from './spatial-gram.js';

export interface FactorProgramRequest extends BackwardRequest {
  /** Whether loss and accuracy are summed too; labels must be given. */
  readonly sums: boolean;
  /** Whether A is summed too. */
  readonly lossHessian: boolean;
  /** The batch may be padded: samples get a weight of 0 or 1. */
  readonly padded: boolean;
  readonly name: string;
}

/** Builds the ONNX program and its manifest. @throws UnsupportedOpError, UnknownBatchAxisError */
export function buildFactorProgram(request: FactorProgramRequest): BuiltProgram {
  const { graph, batch, options, layers } = request;
  const b = new GraphBuilder(graph);
  const inputs = new ProgramInputs(graph, batch);
  const outputs = new ProgramOutputs(b);
  const weight = request.padded ? inputs.sampleWeight() : undefined;
  const { chunks, whole } = emitCotangentChunks(b, inputs, request, weight);
  const nodes = new Map(graph.nodes.map((node) => [node.name, node]));
  layers.forEach((layer, index) => {
    const context = { b, request, nodes, chunks, weight, outputs };
    if (isEmbedding(layer)) emitEmbeddingSums(context, layer, `layer${index}`);
    else emitLayerSums(context, layer, `layer${index}`);
  });
  if (request.lossHessian) emitLossHessian(b, whole, outputs);
  if (request.sums) emitLossSums(b, options, whole.lossInputs, weight, outputs);
  return finishProgram(b, request.name, batch, inputs, outputs);
}

/** Where the sums of a layer are emitted. */
export interface LayerContext {
  readonly b: GraphBuilder;
  readonly request: FactorProgramRequest;
  readonly nodes: ReadonlyMap<string, Node>;
  readonly chunks: readonly LayerCotangents[];
  readonly weight: string | undefined;
  readonly outputs: ProgramOutputs;
}

/** The diagonal of E[x x^T], and E[M] as the other layers' with `expand`, whatever is asked for them. */
function emitEmbeddingSums(context: LayerContext, layer: Layer, stem: string): void {
  const { b, request, chunks, outputs, weight } = context;
  const options = { ...request.options, sharing: 'expand' } as const;
  const expanded = { ...context, request: { ...request, options } };
  const facts = { layer: layer.name, group: 0, symmetric: false, scale: 1 };
  const shape = [layer.inDim];
  const counts = emitRowCounts(b, request, layer, weight);
  outputs.add(`${stem}.input_diagonal`, counts, { ...facts, kind: 'input_diagonal', shape });
  const cotangents = chunks.flatMap((chunk) => layerCotangents(expanded, layer, chunk));
  const output = emitGram(b, cotangents, 'upper');
  const square = [layer.outDim, layer.outDim];
  outputs.addGroups(stem, layer, 'output', output, square, 1 / layer.positions);
}

function emitLayerSums(context: LayerContext, layer: Layer, stem: string): void {
  const { b, request, nodes, chunks, outputs, weight } = context;
  const { graph, batch, places, options } = request;
  const shares = options.sharing === 'reduce' ? 1 : layer.positions;
  const maps = wantsMeanMap(layer, options)
    ? layer.uses.map((use) => emitMeanMap(b, graph, nodes, places, layer, use, batch, weight))
    : [];
  maps.forEach((map, group) => {
    const facts = { kind: 'mean_map', layer: layer.name, group, symmetric: false, scale: 1 };
    outputs.add(`${stem}.u${group}.mean_map`, map.value, { ...facts, shape: map.shape });
  });
  const n = factorInputDim(layer, options);
  const unfolded = once(() => layerInputs(context, layer));
  const fold = layerFold(graph, nodes, layer, options);
  if (fold === undefined) {
    const input = emitGram(b, unfolded(), 'upper');
    outputs.addGroups(stem, layer, 'input', input, [n, n], 1);
  } else {
    const x = emitWeightedMap(b, graph, layer.uses[0] as LayerUse, batch, weight);
    const gram = emitSpatialGram(b, x, batch, layer.groups, fold.mapLength);
    outputs.addGroups(stem, layer, 'spatial_input', gram, [fold.mapLength, fold.mapLength], 1);
  }
  const meanFromMaps = isConvolution(layer) && maps.length > 0 && !isJoint(layer, options);
  const means = meanFromMaps
    ? maps.map((map, index) =>
        emitMeanTotal(b, graph, nodes, layer, layer.uses[index] as LayerUse, map),
      )
    : unfolded().map((x) => emitTotal(b, x));
  outputs.addGroups(stem, layer, 'mean', emitSum(b, means), [n], 1 / shares);
  const cotangents = chunks.flatMap((chunk) => layerCotangents(context, layer, chunk));
  const output = emitGram(b, cotangents, 'upper');
  outputs.addGroups(stem, layer, 'output', output, [layer.outDim, layer.outDim], 1 / shares);
  if (options.exact !== undefined) emitExactSums(context, layer, stem, options.exact);
}

/** The inputs of all uses, ready for their Gram matrices. */
function layerInputs(context: LayerContext, layer: Layer): readonly MatrixBatch[] {
  const { b, request, nodes, weight } = context;
  const { graph, batch, places, options } = request;
  let xs = layer.uses.map((use) => emitLayerInput(b, graph, nodes, places, layer, use, batch));
  if (options.sharing === 'reduce') {
    const average = b.scalar(1 / layer.positions, 'float32');
    xs = [
      merged(
        b,
        xs.map((x) => emitReduced(b, x, average)),
      ),
    ];
  }
  if (isJoint(layer, options)) {
    const one = b.scalar(1, 'float32');
    xs = xs.map((x) => emitHomogeneous(b, x, one));
  }
  return weight === undefined ? xs : xs.map((x) => emitWeighted(b, x, weight));
}

/** The cotangents, of some columns, of all uses that reach the logits; padded samples have none. */
function layerCotangents(
  context: LayerContext,
  layer: Layer,
  { cotangents, columns }: LayerCotangents,
): readonly MatrixBatch[] {
  const { b, request } = context;
  const { graph, batch, places, options } = request;
  const gs = layer.uses.flatMap((use) => {
    const cotangent = cotangents.get(use.output);
    return cotangent === undefined
      ? []
      : [emitLayerCotangent(b, graph, places, layer, use, cotangent, columns, batch)];
  });
  if (options.sharing === 'expand') return gs;
  return [
    merged(
      b,
      gs.map((g) => emitReduced(b, g, undefined)),
    ),
  ];
}

function once<T>(make: () => T): () => T {
  let made: { readonly value: T } | undefined;
  return () => {
    made ??= { value: make() };
    return made.value;
  };
}

/** One batch of matrices: the sum of several with equal shapes (uses of a tied weight). */
function merged(b: GraphBuilder, list: readonly MatrixBatch[]): MatrixBatch {
  const [first] = list;
  if (first === undefined) throw new Error('a layer has no use that reaches the output');
  return {
    ...first,
    value: emitSum(
      b,
      list.map((x) => x.value),
    ),
  };
}
