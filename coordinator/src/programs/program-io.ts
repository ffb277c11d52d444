// The inputs and outputs of a program, and what its manifest says of them.
import {
  create,
  ElementType,
  InputRole,
  type Program,
  type ProgramInput,
  ProgramInputSchema,
  type ProgramOutput,
  ProgramOutputSchema,
  ProgramSchema,
  Reduction,
} from '@kronlens/proto';
import {
  encodeModel,
  type GraphBuilder,
  type ShapedGraph,
  typeOf,
  type ValueInfo,
} from '../graph/index.js';
import type { Layer } from '../layers/index.js';
import type { BuiltProgram } from './built-program.js';
import type { FactorOptions } from './factor-options.js';
import { drawShape } from './loss.js';

const LABELS = 'kl_labels';
const RANDOM = 'kl_random';
const WEIGHTS = 'kl_sample_weight';
const PROBE = 'kl_probe';

type LossOptions = Pick<FactorOptions, 'loss' | 'columns' | 'tokens'>;

/** The inputs of a program: the model's own, and what the loss needs. */
export class ProgramInputs {
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

  /** int64 [B], [B, T] with logits for every token, or float32 [B, outputs]. */
  labels({ loss, tokens }: LossOptions, outputs: number): string {
    const perSample = tokens !== undefined ? [tokens.count] : [];
    const shape = [this.#batch, ...(loss === 'cross-entropy' ? perSample : [outputs])];
    const dtype = loss === 'cross-entropy' ? 'int64' : 'float32';
    const entry = this.#entry(LABELS, InputRole.LABEL, elementType(dtype), shape, 'y');
    if (loss === 'cross-entropy') entry.classes = BigInt(outputs);
    if (tokens !== undefined) entry.ignoredLabel = BigInt(tokens.ignoreIndex);
    this.manifest.push(entry);
    this.extra.push({ name: LABELS, dtype, shape });
    return LABELS;
  }

  /** [S, B, size]; with logits for every token, [S, B, T * size]. */
  random({ loss, columns, tokens }: LossOptions, samples: number, outputs: number): string {
    const { distribution, size } = drawShape(loss, columns, outputs);
    const shape = [samples, this.#batch, size * (tokens?.count ?? 1)];
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

  /** Rows of a capture program's output of the same name; the shape begins with the batch. */
  captured(name: string, shape: readonly number[]): string {
    this.manifest.push(this.#entry(name, InputRole.CAPTURED, ElementType.FLOAT32, shape, ''));
    this.extra.push({ name, dtype: 'float32', shape });
    return name;
  }

  /** A parameter, its noise or its basis: float32, fed by the worker. */
  ofParameter(name: string, role: InputRole, shape: readonly number[], parameter: string): string {
    const entry = this.#entry(name, role, ElementType.FLOAT32, shape, '');
    entry.parameter = parameter;
    this.manifest.push(entry);
    this.extra.push({ name, dtype: 'float32', shape });
    return name;
  }

  /** Vectors that the program multiplies by. */
  probe(shape: readonly number[]): string {
    this.manifest.push(this.#entry(PROBE, InputRole.PROBE, ElementType.FLOAT32, shape, ''));
    this.extra.push({ name: PROBE, dtype: 'float32', shape });
    return PROBE;
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
  readonly parameter?: string;
}

/** The outputs of a program: float32 sums over the batch. */
export class ProgramOutputs {
  readonly manifest: ProgramOutput[] = [];
  readonly infos: ValueInfo[] = [];
  readonly #b: GraphBuilder;

  constructor(b: GraphBuilder) {
    this.#b = b;
  }

  /** A sum over the batch. */
  add(name: string, value: string, facts: OutputFacts): void {
    this.#add(name, value, facts, Reduction.SUM);
  }

  /** One row a sample; the shape begins with the batch. */
  addPerSample(name: string, value: string, facts: Omit<OutputFacts, 'symmetric' | 'scale'>): void {
    this.#add(name, value, { ...facts, symmetric: false, scale: 1 }, Reduction.PER_SAMPLE);
  }

  #add(name: string, value: string, facts: OutputFacts, reduction: Reduction): void {
    // A prefix of our own: the model may have a value called `loss`.
    const output = this.#b.alias(value, `kl/${name}`);
    this.infos.push({ name: output, dtype: 'float32', shape: facts.shape });
    const shape = facts.shape.map(BigInt);
    this.manifest.push(create(ProgramOutputSchema, { ...facts, name: output, reduction, shape }));
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

/** Cuts the program out of what was emitted; inputs that it does not read are left out. */
export function finishProgram(
  b: GraphBuilder,
  name: string,
  batch: number,
  inputs: ProgramInputs,
  outputs: ProgramOutputs,
): BuiltProgram {
  const program = b.build(outputs.infos, inputs.extra);
  const read = new Set(program.inputs.map((input) => input.name));
  const manifest: Program = create(ProgramSchema, {
    name,
    batch,
    inputs: inputs.manifest.filter((input) => read.has(input.name)),
    outputs: outputs.manifest,
  });
  return { model: encodeModel(program), manifest };
}
