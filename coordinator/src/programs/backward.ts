// The backward pass of a program: output-Hessian columns pulled back from the logits to the layers.
import { type GraphBuilder, pullBack, type ShapedGraph, typeOf } from '../graph/index.js';
import type { Layer } from '../layers/index.js';
import { chunkSizes } from './column-chunks.js';
import type { FactorOptions } from './factor-options.js';
import type { BatchPlaces } from './layer-inputs.js';
import { columnCount, emitColumns, type LossInputs } from './loss.js';
import type { ProgramInputs } from './program-io.js';

export interface BackwardRequest {
  /** The model at this program's batch size. */
  readonly graph: ShapedGraph;
  readonly batch: number;
  readonly places: BatchPlaces;
  /** The value that holds the logits. */
  readonly logits: string;
  readonly layers: readonly Layer[];
  readonly options: FactorOptions;
  /** Whether labels are an input, for the loss. */
  readonly sums: boolean;
}

export interface LayerCotangents {
  /** g [C, ...shape of z] of every use that the logits depend on. */
  readonly cotangents: ReadonlyMap<string, string>;
  readonly columns: number;
}

/** What is pulled back. */
export interface CotangentSeed {
  /** R [C, B, c] with R^T R = A, 0 for padded samples. */
  readonly seed: string;
  readonly columns: number;
  readonly lossInputs: LossInputs;
}

/**
 * All columns pulled back together.
 * @param weight [B], 0 for padded samples, whose cotangents vanish
 */
export function emitLayerCotangents(
  b: GraphBuilder,
  inputs: ProgramInputs,
  request: BackwardRequest,
  weight: string | undefined,
): LayerCotangents & CotangentSeed {
  const whole = emitSeed(b, inputs, request, weight);
  return { ...whole, ...pullColumns(b, request, whole.seed, whole.columns) };
}

/** The columns pulled back a few at a time, as many as keep their cotangents in the cache. */
export function emitCotangentChunks(
  b: GraphBuilder,
  inputs: ProgramInputs,
  request: BackwardRequest,
  weight: string | undefined,
): { readonly chunks: readonly LayerCotangents[]; readonly whole: CotangentSeed } {
  const whole = emitSeed(b, inputs, request, weight);
  const { seed, columns } = whole;
  const sizes = chunkSizes(request.graph, columns, request.options.cachedFloats);
  let from = 0;
  const chunks = sizes.map((size) => {
    const [begin, end] = [b.ints([from]), b.ints([from + size])];
    const part = size === columns ? seed : b.emit('Slice', [seed, begin, end, b.ints([0])]);
    from += size;
    return pullColumns(b, request, part, size);
  });
  return { chunks, whole };
}

function emitSeed(
  b: GraphBuilder,
  inputs: ProgramInputs,
  request: BackwardRequest,
  weight: string | undefined,
): CotangentSeed {
  const { batch } = request;
  const { loss, columns: kind } = request.options;
  const needsLabels = request.sums || kind.kind === 'empirical';
  const lossInputs = emitLossInputs(b, inputs, request, needsLabels);
  const { outputs } = lossInputs;
  const columns = columnCount(loss, kind, outputs);
  const plain = emitColumns(b, loss, kind, lossInputs);
  const seed = weight === undefined ? plain : b.emit('Mul', [plain, b.reshape(weight, [batch, 1])]);
  return { seed, columns, lossInputs };
}

function pullColumns(
  b: GraphBuilder,
  { graph, logits, layers }: BackwardRequest,
  seed: string,
  columns: number,
): LayerCotangents {
  const { shape } = typeOf(graph, logits);
  const cotangents = pullBack({
    graph,
    builder: b,
    seeds: new Map([[logits, b.reshape(seed, [columns, ...shape])]]),
    columns,
    targets: layers.flatMap((layer) => layer.uses.map((use) => use.output)),
  });
  return { cotangents, columns };
}

/** What the loss is of: the logits as rows, labels where they are needed, draws. */
export function emitLossInputs(
  b: GraphBuilder,
  inputs: ProgramInputs,
  {
    graph,
    batch,
    logits,
    options,
  }: Pick<BackwardRequest, 'graph' | 'batch' | 'logits' | 'options'>,
  needsLabels: boolean,
): LossInputs {
  const { loss, columns: kind } = options;
  const shape = typeOf(graph, logits).shape;
  const outputs = shape.reduce((product, size) => product * size, 1) / batch;
  return {
    logits: b.reshape(logits, [batch, outputs]),
    batch,
    outputs,
    labels: needsLabels ? inputs.labels(loss, outputs) : undefined,
    random: kind.kind === 'mc' ? inputs.random(loss, kind.samples, outputs) : undefined,
  };
}
