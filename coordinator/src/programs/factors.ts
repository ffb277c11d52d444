// The factor program: one differentiated ONNX program that yields, for all its layers in one pass
// over the data, the sums behind E[x x^T], E[M] and E[x].
import {
  create,
  ElementType,
  InputRole,
  type ProgramInput,
  ProgramInputSchema,
  type ProgramOutput,
  ProgramOutputSchema,
  ProgramSchema,
  Reduction,
} from '@kronlens/proto';
import {
  encodeModel,
  GraphBuilder,
  type Node,
  pullBack,
  type ShapedGraph,
  typeOf,
  type ValueInfo,
} from '../graph/index.js';
import type { Layer, LayerUse } from '../layers/index.js';
import type { BuiltProgram } from './built-program.js';
import { emitGram, emitReduced, emitSum, emitTotal } from './gram.js';
import {
  type BatchPlaces,
  emitHomogeneous,
  emitLayerCotangent,
  emitLayerInput,
  emitWeighted,
  type MatrixBatch,
} from './layer-inputs.js';
import {
  type ColumnKind,
  columnCount,
  drawShape,
  emitColumns,
  emitCorrect,
  emitLoss,
  type LossInputs,
  type LossName,
} from './loss.js';
import {
  emitMeanMap,
  emitMeanTotal,
  emitWeightedMap,
  isConvolution,
  wantsMeanMap,
} from './mean-gram.js';
import { emitSpatialGram, layerFold } from './spatial-gram.js';

/** What the factors are of; fixed for a run. */
export interface FactorOptions {
  readonly loss: LossName;
  readonly columns: ColumnKind;
  /**
   * How positions of a convolution or token-shared layer are treated (K-FAC "expand" and "reduce").
   * expand: E[sum_p x_p x_p^T] and E[(1/P) sum_p sum_k g_kp g_kp^T].
   * reduce: E[xbar xbar^T], xbar the mean over positions, and E[sum_k gbar_k gbar_k^T], gbar the sum.
   */
  readonly sharing: 'expand' | 'reduce';
  /** joint: the input gets a homogeneous coordinate 1 behind it, for layers that have a bias. */
  readonly bias: 'separate' | 'joint';
  /** Whether labels are given. */
  readonly labels: boolean;
}

export interface FactorProgramRequest {
  /** The model at this program's batch size. */
  readonly graph: ShapedGraph;
  readonly batch: number;
  readonly places: BatchPlaces;
  /** The value that holds the logits. */
  readonly logits: string;
  readonly layers: readonly Layer[];
  readonly options: FactorOptions;
  /** Whether loss and accuracy are summed too; labels must be given. */
  readonly sums: boolean;
  /** The batch may be padded: samples get a weight of 0 or 1. */
  readonly padded: boolean;
  readonly name: string;
}

const LABELS = 'kl_labels';
const RANDOM = 'kl_random';
const WEIGHTS = 'kl_sample_weight';

/** Whether the layer's input has a homogeneous coordinate 1 behind it. */
export function isJoint(layer: Layer, options: Pick<FactorOptions, 'bias'>): boolean {
  return options.bias === 'joint' && layer.bias !== undefined;
}

/** The input dimension of a layer's factor: one more with a bias treated jointly. */
export function factorInputDim(layer: Layer, options: Pick<FactorOptions, 'bias'>): number {
  return layer.inDim + (isJoint(layer, options) ? 1 : 0);
}

/** Builds the ONNX program and its manifest. @throws UnsupportedOpError, UnknownBatchAxisError */
export function buildFactorProgram(request: FactorProgramRequest): BuiltProgram {
  const { graph, batch, options, layers } = request;
  const b = new GraphBuilder(graph);
  const classes =
    typeOf(graph, request.logits).shape.reduce((product, size) => product * size, 1) / batch;
  const inputs = new ProgramInputs(graph, batch);
  const lossInputs: LossInputs = {
    logits: b.reshape(request.logits, [batch, classes]),
    batch,
    outputs: classes,
    labels:
      request.sums || options.columns.kind === 'empirical'
        ? inputs.labels(options.loss, classes)
        : undefined,
    random:
      options.columns.kind === 'mc'
        ? inputs.random(options.loss, options.columns.samples, classes)
        : undefined,
  };
  const columns = columnCount(options.loss, options.columns, classes);
  const weight = request.padded ? inputs.sampleWeight() : undefined;
  let seed = emitColumns(b, options.loss, options.columns, lossInputs);
  if (weight !== undefined) seed = b.emit('Mul', [seed, b.reshape(weight, [batch, 1])]);
  const logitsShape = typeOf(graph, request.logits).shape;
  const cotangents = pullBack({
    graph,
    builder: b,
    seeds: new Map([[request.logits, b.reshape(seed, [columns, ...logitsShape])]]),
    columns,
    targets: layers.flatMap((layer) => layer.uses.map((use) => use.output)),
  });
  const outputs = new ProgramOutputs(b);
  const nodes = new Map(graph.nodes.map((node) => [node.name, node]));
  layers.forEach((layer, index) => {
    emitLayerSums(
      { b, request, nodes, cotangents, columns, weight, outputs },
      layer,
      `layer${index}`,
    );
  });
  if (request.sums) emitLossSums(b, options.loss, lossInputs, weight, outputs);
  const program = b.build(outputs.infos, inputs.extra);
  return {
    model: encodeModel(program),
    manifest: create(ProgramSchema, {
      name: request.name,
      batch,
      inputs: inputs.manifest.filter(({ name }) =>
        program.inputs.some((input) => input.name === name),
      ),
      outputs: outputs.manifest,
    }),
  };
}

interface LayerContext {
  readonly b: GraphBuilder;
  readonly request: FactorProgramRequest;
  readonly nodes: ReadonlyMap<string, Node>;
  readonly cotangents: ReadonlyMap<string, string>;
  readonly columns: number;
  readonly weight: string | undefined;
  readonly outputs: ProgramOutputs;
}

function emitLayerSums(context: LayerContext, layer: Layer, stem: string): void {
  const { b, request, nodes, columns, outputs, weight } = context;
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
    const input = emitSum(
      b,
      unfolded().map((x) => emitGram(b, x)),
    );
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
  const output = emitSum(
    b,
    layerCotangents(context, layer, columns).map((g) => emitGram(b, g)),
  );
  outputs.addGroups(stem, layer, 'output', output, [layer.outDim, layer.outDim], 1 / shares);
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

/** The cotangents of all uses that reach the logits; padded samples have none. */
function layerCotangents(
  context: LayerContext,
  layer: Layer,
  columns: number,
): readonly MatrixBatch[] {
  const { b, request, cotangents } = context;
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

function emitLossSums(
  b: GraphBuilder,
  loss: LossName,
  inputs: LossInputs,
  weight: string | undefined,
  outputs: ProgramOutputs,
): void {
  const total = (value: string) =>
    b.emit(
      'ReduceSum',
      [weight === undefined ? value : b.emit('Mul', [value, weight]), b.ints([0])],
      {
        keepdims: { kind: 'int', value: 1 },
      },
    );
  outputs.add('loss', total(emitLoss(b, loss, inputs)), {
    kind: 'loss',
    layer: '',
    group: 0,
    shape: [1],
    symmetric: false,
    scale: 1,
  });
  const correct = emitCorrect(b, loss, inputs);
  if (correct !== undefined) {
    outputs.add('correct', total(correct), {
      kind: 'correct',
      layer: '',
      group: 0,
      shape: [1],
      symmetric: false,
      scale: 1,
    });
  }
}

/** The inputs of a program: the model's own, and what the loss needs. */
class ProgramInputs {
  readonly manifest: ProgramInput[];
  readonly extra: ValueInfo[] = [];
  readonly #batch: number;

  constructor(graph: ShapedGraph, batch: number) {
    this.#batch = batch;
    this.manifest = graph.inputs.map((input) => {
      const type = typeOf(graph, input.name);
      return this.#entry(
        input.name,
        InputRole.DATA,
        elementType(type.dtype),
        type.shape,
        input.name,
      );
    });
  }

  labels(loss: LossName, outputs: number): string {
    const shape = loss === 'cross-entropy' ? [this.#batch] : [this.#batch, outputs];
    const dtype = loss === 'cross-entropy' ? 'int64' : 'float32';
    const entry = this.#entry(LABELS, InputRole.LABEL, elementType(dtype), shape, 'y');
    if (loss === 'cross-entropy') entry.classes = BigInt(outputs);
    this.manifest.push(entry);
    this.extra.push({ name: LABELS, dtype, shape });
    return LABELS;
  }

  random(loss: LossName, samples: number, outputs: number): string {
    const { distribution, size } = drawShape(loss, outputs);
    const shape = [samples, this.#batch, size];
    const role = distribution === 'uniform' ? InputRole.UNIFORM : InputRole.NORMAL;
    this.manifest.push(this.#entry(RANDOM, role, ElementType.FLOAT32, shape, ''));
    this.extra.push({ name: RANDOM, dtype: 'float32', shape });
    return RANDOM;
  }

  sampleWeight(): string {
    this.manifest.push(
      this.#entry(WEIGHTS, InputRole.SAMPLE_WEIGHT, ElementType.FLOAT32, [this.#batch], ''),
    );
    this.extra.push({ name: WEIGHTS, dtype: 'float32', shape: [this.#batch] });
    return WEIGHTS;
  }

  #entry(
    name: string,
    role: InputRole,
    type: ElementType,
    shape: readonly number[],
    array: string,
  ): ProgramInput {
    return create(ProgramInputSchema, { name, role, type, shape: shape.map(BigInt), array });
  }
}

const ELEMENT_TYPES: Readonly<Record<string, ElementType>> = {
  float32: ElementType.FLOAT32,
  float64: ElementType.FLOAT64,
  float16: ElementType.FLOAT16,
  int8: ElementType.INT8,
  int16: ElementType.INT16,
  int32: ElementType.INT32,
  int64: ElementType.INT64,
  uint8: ElementType.UINT8,
  bool: ElementType.BOOL,
};

function elementType(dtype: string): ElementType {
  const type = ELEMENT_TYPES[dtype];
  if (type === undefined) throw new Error(`a program cannot take inputs of type ${dtype}`);
  return type;
}

interface OutputFacts {
  readonly kind: string;
  readonly layer: string;
  readonly group: number;
  readonly shape: readonly number[];
  readonly symmetric: boolean;
  readonly scale: number;
}

/** The outputs of a program: float32 sums over the batch. */
class ProgramOutputs {
  readonly manifest: ProgramOutput[] = [];
  readonly infos: ValueInfo[] = [];
  readonly #b: GraphBuilder;

  constructor(b: GraphBuilder) {
    this.#b = b;
  }

  add(name: string, value: string, facts: OutputFacts): void {
    const output = this.#b.alias(value, name);
    this.infos.push({ name: output, dtype: 'float32', shape: facts.shape });
    this.manifest.push(
      create(ProgramOutputSchema, {
        ...facts,
        name: output,
        reduction: Reduction.SUM,
        shape: facts.shape.map(BigInt),
      }),
    );
  }

  /** One output per group of a value [groups, ...shape]. */
  addGroups(
    stem: string,
    layer: Layer,
    kind: string,
    value: string,
    shape: readonly number[],
    scale: number,
  ): void {
    const parts =
      layer.groups === 1
        ? [value]
        : this.#b.emitMany(
            'Split',
            [value, this.#b.ints(Array.from({ length: layer.groups }, () => 1))],
            { axis: { kind: 'int', value: 0 } },
            layer.groups,
          );
    parts.forEach((part, group) => {
      const facts = { kind, layer: layer.name, group, shape, symmetric: shape.length === 2, scale };
      this.add(`${stem}.g${group}.${kind}`, this.#b.reshape(part, shape), facts);
    });
  }
}
