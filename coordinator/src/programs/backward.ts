// The backward pass of a program: output-Hessian columns pulled back from the logits to the layers.
import { type GraphBuilder, pullBack, type ShapedGraph, typeOf } from '../graph/index.js';
import type { Layer } from '../layers/index.js';
import { chunkSizes } from './column-chunks.js';
import { columnCount, type FactorOptions } from './factor-options.js';
import type { BatchPlaces } from './layer-inputs.js';
import { drawShape, emitColumns, type LossInputs } from './loss.js';
import type { ProgramInputs } from './program-io.js';
import { emitTokenLabels, emitTokenSeed, type TokenWeights } from './token-loss.js';

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
  readonly lossInputs: SampleLossInputs;
}

/** Rows are tokens where every token has logits. */
export interface SampleLossInputs extends LossInputs {
  readonly tokenWeights: TokenWeights | undefined;
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
  const { columns: kind, tokens, labels } = request.options;
  // The labels also say which tokens count.
  const needsLabels = request.sums || kind.kind === 'empirical' || (tokens !== undefined && labels);
  const lossInputs = emitLossInputs(b, inputs, request, needsLabels);
  const columns = columnCount(request.options, lossInputs.outputs);
  const plain = emitLossColumns(b, request, lossInputs);
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

/** Columns [C, B, c] of the loss's Hessian in all logits of a sample; c is T * classes with tokens. */
export function emitLossColumns(
  b: GraphBuilder,
  { batch, options }: Pick<BackwardRequest, 'batch' | 'options'>,
  lossInputs: SampleLossInputs,
): string {
  const { loss, columns: kind, tokens } = options;
  const { outputs, tokenWeights } = lossInputs;
  const ofRows = emitColumns(b, loss, kind, lossInputs);
  if (tokens === undefined || tokenWeights === undefined) return ofRows;
  return emitTokenSeed(b, ofRows, { kind, batch, tokens: tokens.count, outputs }, tokenWeights);
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
): SampleLossInputs {
  const { tokens } = options;
  const shape = typeOf(graph, logits).shape;
  const rows = batch * (tokens?.count ?? 1);
  const outputs = shape.reduce((product, size) => product * size, 1) / rows;
  const given = needsLabels ? inputs.labels(options, outputs) : undefined;
  const perToken = tokens && emitTokenLabels(b, tokens, batch, given);
  return {
    logits: b.reshape(logits, [rows, outputs]),
    batch: rows,
    outputs,
    labels: perToken === undefined ? given : perToken.labels,
    random: emitRandom(b, inputs, options, rows, outputs),
    tokenWeights: perToken?.weights,
  };
}

/** The random input as [S, rows, size]; undefined where nothing is drawn. */
function emitRandom(
  b: GraphBuilder,
  inputs: ProgramInputs,
  options: FactorOptions,
  rows: number,
  outputs: number,
): string | undefined {
  const { loss, columns: kind } = options;
  if (kind.kind !== 'mc' && kind.kind !== 'sketch') return undefined;
  const random = inputs.random(options, kind.samples, outputs);
  if (options.tokens === undefined) return random;
  return b.reshape(random, [kind.samples, rows, drawShape(loss, kind, outputs).size]);
}
