// Opens a model for analysis: its inputs, logits, layers, and the model at any batch size.
import { BadInputError } from '@kronlens/proto';
import {
  type BatchPlace,
  candidatePlaces,
  canonicalise,
  type DType,
  type Evaluator,
  type Graph,
  loadModel,
  ModelError,
  observePlaces,
  rebatch,
  type ShapedGraph,
  specialise,
  spreadPositions,
} from '../graph/index.js';
import {
  constantLayers,
  type Discovery,
  discoverLayers,
  foldedEmbeddings,
  isVectorwise,
  type Layer,
} from '../layers/index.js';
import { agreesWithOriginal } from './check-rebatch.js';
import type { BatchPlaces } from './layer-inputs.js';
import { findLogits, type Logits } from './logits.js';
import { unlayeredParameters } from './unlayered-parameters.js';

/** A model input; `shape` is that of one sample, null where the file leaves a size open. */
export interface ModelInput {
  readonly name: string;
  readonly dtype: DType;
  readonly shape: readonly (number | null)[];
}

export interface OpenedInput extends ModelInput {
  readonly shape: readonly number[];
}

export interface OpenOptions {
  /** Where the model lies, when that is not where the user named it. */
  readonly file?: string | undefined;
  /**
   * Sizes of samples where the file leaves them open, for example from the data.
   * @returns the shape of one sample per input
   */
  readonly sampleShapes?: (
    inputs: readonly ModelInput[],
  ) => Promise<ReadonlyMap<string, readonly number[]>>;
}

export interface OpenedModel {
  readonly path: string;
  /** SHA-256 over the file and its external data. */
  readonly sha256: string;
  readonly opset: number;
  readonly inputs: readonly OpenedInput[];
  readonly logits: Logits;
  readonly layers: Discovery;
  /** The only batch size that the model runs at; undefined where any will do. */
  readonly fixedBatch: number | undefined;
  /** Where the samples lie in values that hold several positions of a sample. */
  readonly places: BatchPlaces;
  /** What the user should know. */
  readonly notes: readonly string[];
  /** The model at a batch size. */
  at(batch: number): Promise<ShapedGraph>;
}

/**
 * @throws ModelError, BadInputError: no usable ONNX file, sizes left open, no row of logits a
 *   sample, or samples that influence each other
 */
export async function openModel(
  path: string,
  evaluator: Evaluator,
  options: OpenOptions = {},
): Promise<OpenedModel> {
  const loaded = await loadModel(path, options.file);
  const graph = canonicalise(loaded.graph);
  const declared = graph.inputs.map(modelInput);
  const given = (await options.sampleShapes?.(declared)) ?? new Map<string, readonly number[]>();
  const inputs = declared.map((input) => closed(input, given.get(input.name)));
  const model = await findBatching(graph, inputs, evaluator);
  const probe = await model.at(model.probes[0]);
  const logits = findLogits(probe, model.probes[0]);
  const found = discoverLayers(probe, model.probes[0], logits.value);
  const other = model.probes[1] === undefined ? undefined : await model.at(model.probes[1]);
  const places = await findPlaces(probe, model.probes[0], other, found.layers, logits, evaluator);
  const placed = withoutUnplaced(found, places, model.probes[0]);
  const notes = [
    ...model.notes,
    ...(logits.note === undefined ? [] : [logits.note]),
    ...foldedEmbeddings(probe, placed.layers),
    ...constantLayers(graph, probe),
    ...unlayeredParameters(graph, probe, placed, logits.value),
  ];
  return {
    path,
    sha256: loaded.sha256,
    opset: loaded.graph.opset,
    inputs,
    logits,
    layers: placed,
    fixedBatch: model.fixedBatch,
    places,
    notes,
    at: model.at,
  };
}

function modelInput(input: Graph['inputs'][number]): ModelInput {
  if (input.shape === undefined || input.shape.length === 0)
    throw new ModelError(
      'no-batch-axis',
      `the model's input '${input.name}' has no batch axis; export the model with a leading batch dimension`,
    );
  const shape = input.shape
    .slice(1)
    .map((size) => (typeof size === 'number' && size >= 0 ? size : null));
  return { name: input.name, dtype: input.dtype, shape };
}

function closed(input: ModelInput, given: readonly number[] | undefined): OpenedInput {
  const shape = input.shape.map((size, axis) => size ?? given?.[axis]);
  const open = shape.indexOf(undefined);
  if (open >= 0)
    throw new ModelError(
      'open-shape',
      `the model's input '${input.name}' leaves the size of axis ${open + 1} open; give the data so that it is known`,
    );
  return { ...input, shape: shape as number[] };
}

interface Batching {
  readonly fixedBatch: number | undefined;
  /** Batch sizes to learn from; one only where the batch is fixed. */
  readonly probes: readonly [number, number?];
  readonly notes: readonly string[];
  at(batch: number): Promise<ShapedGraph>;
}

async function findBatching(
  graph: Graph,
  inputs: readonly OpenedInput[],
  evaluator: Evaluator,
): Promise<Batching> {
  const fixed = fixedBatchOf(graph);
  const shaped = async (from: Graph, batch: number) => {
    const shapes = new Map(inputs.map(({ name, shape }) => [name, [batch, ...shape]]));
    return spreadPositions(await specialise(from, shapes, evaluator), batch);
  };
  if (fixed === undefined)
    return {
      fixedBatch: undefined,
      probes: [2, 3],
      notes: [],
      at: remembered((n) => shaped(graph, n)),
    };
  const original = await shaped(graph, fixed);
  const at = remembered((n) =>
    n === fixed ? Promise.resolve(original) : shaped(rebatch(graph, fixed, n), n),
  );
  if (await agreesWithOriginal(original, fixed, at, evaluator))
    return { fixedBatch: undefined, probes: [2 * fixed, 3 * fixed], notes: [], at };
  const notes = [
    `the model runs at batch ${fixed} only, as it was exported; a dynamic batch dimension would be faster`,
  ];
  return { fixedBatch: fixed, probes: [fixed], notes, at: async () => original };
}

/** The batch that the inputs declare; undefined where it is free. @throws when inputs disagree */
function fixedBatchOf(graph: Graph): number | undefined {
  const sizes = graph.inputs.map(({ shape }) => {
    const size = shape?.[0];
    return typeof size === 'number' && size >= 0 ? size : undefined;
  });
  const fixed = [...new Set(sizes.filter((size) => size !== undefined))];
  if (fixed.length > 1)
    throw new ModelError(
      'no-batch-axis',
      `the model's inputs have different leading sizes (${fixed.join(', ')}); the leading axis of each must be the batch`,
    );
  return fixed[0];
}

/** Keeps the last few results: a run needs the full and the last batch. */
function remembered(make: (batch: number) => Promise<ShapedGraph>): Batching['at'] {
  const kept = new Map<number, Promise<ShapedGraph>>();
  return (batch) => {
    const known = kept.get(batch);
    if (known !== undefined) return known;
    const made = make(batch);
    kept.set(batch, made);
    made.catch(() => kept.delete(batch));
    const [oldest] = kept.keys();
    if (kept.size > 4 && oldest !== undefined) kept.delete(oldest);
    return made;
  };
}

async function findPlaces(
  probe: ShapedGraph,
  batch: number,
  other: ShapedGraph | undefined,
  layers: readonly Layer[],
  logits: Logits,
  evaluator: Evaluator,
): Promise<BatchPlaces> {
  const values = layers
    .filter((layer) => layer.positions > layer.uses.length && isVectorwise(layer))
    .flatMap((layer) => layer.uses.flatMap((use) => [use.input, use.output]));
  const candidates = new Map<string, readonly BatchPlace[]>(
    [...values, logits.value].map((value) => [value, candidatePlaces(value, probe, batch, other)]),
  );
  if (batch === 1) return new Map();
  const { places, mixed } = await observePlaces(probe, batch, candidates, evaluator, [
    logits.value,
  ]);
  if (mixed.includes(logits.value))
    throw new BadInputError(
      'samples-mix',
      `the model's output for one sample depends on the other samples of its batch; export it in evaluation mode, without anything that mixes samples`,
    );
  return places;
}

/** Layers whose samples cannot be told apart are not analysed. */
function withoutUnplaced(found: Discovery, places: BatchPlaces, batch: number): Discovery {
  const unplaced = (layer: Layer) =>
    batch > 1 &&
    isVectorwise(layer) &&
    layer.uses.some(
      (use) => use.positions > 1 && !(places.has(use.input) && places.has(use.output)),
    );
  return {
    ...found,
    layers: found.layers.filter((layer) => !unplaced(layer)),
    skipped: [
      ...found.skipped,
      ...found.layers.filter(unplaced).map((layer) => ({
        name: layer.name,
        op: layer.op,
        reason: 'cannot tell along which axis of its input the samples lie',
      })),
    ],
  };
}
