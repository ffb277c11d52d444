// The trainable parameters of a model: weights as their matrices, biases, normalisation's and others.
import { BadInputError } from '@kronlens/proto';
import {
  dependents,
  elementCount,
  isMadeUp,
  type ShapedGraph,
  type Tensor,
  tensor,
  typeOf,
} from '../graph/index.js';
import { permuted } from '../graph/ops/constant-tensor.js';
import { biasName, type Layer, weightName } from '../layers/index.js';
import { groupNormParameters } from './affine-names.js';
import { layerMatrix } from './parameter-block.js';

/**
 * How an initializer holds a parameter: the parameter reshaped to `apart`, its axes permuted (as ONNX
 * Transpose), reshaped to the initializer's shape.
 */
export interface ParameterPlace {
  readonly initializer: string;
  readonly apart: readonly number[];
  /** Undefined: the elements lie as in the parameter. */
  readonly perm: readonly number[] | undefined;
}

export interface Parameter {
  /** `<layer>.weight` (see `weightName`), `<layer>.bias`, else the initializer's name. */
  readonly name: string;
  /** What it is for its layer; undefined for all others. */
  readonly part: 'weight' | 'bias' | undefined;
  readonly layer: Layer | undefined;
  /** [groups * m, n] for a weight, [groups * m] for a bias, else the initializer's. */
  readonly shape: readonly number[];
  /** Several where the model holds a tied weight in several layouts. */
  readonly places: readonly ParameterPlace[];
}

export interface FoundParameters {
  readonly parameters: readonly Parameter[];
  /**
   * Float tensors that the output depends on and that are taken as constants of the architecture; without the
   * single numbers that exporters write, as the root of 2 in a GELU.
   */
  readonly constants: readonly string[];
  /** Among them: running means and variances, which normalisations took from the training data. */
  readonly statistics: readonly string[];
}

/** Inputs that hold trainable parameters, by op. */
const TRAINABLE_INPUTS: Readonly<Record<string, readonly number[]>> = {
  BatchNormalization: [1, 2],
  LayerNormalization: [1, 2],
  InstanceNormalization: [1, 2],
  PRelu: [1],
  Gather: [0],
};

/** Inputs that exporters fill with ones and zeros where a normalisation has neither scale nor shift of its own. */
const SCALES_AND_SHIFTS: Readonly<Record<string, readonly number[]>> = {
  BatchNormalization: [1, 2],
  LayerNormalization: [1, 2],
  InstanceNormalization: [1, 2],
};

/** Inputs that hold means and variances of the training data; noise could make a variance negative. */
const RUNNING_STATISTICS: Readonly<Record<string, readonly number[]>> = {
  BatchNormalization: [3, 4],
};

/**
 * Weights and biases of all layers first, in the graph's order. Another float tensor is a parameter
 * when an op of normalisation, PRelu or Gather (an embedding) takes it as such, when PyTorch calls it
 * `.weight` or `.bias`, or when it is named in `also`. Those of group normalisations, which exporters lay out anew,
 * have the names that PyTorch has for them; ones and zeros in the place of a scale or shift are none.
 * @param logits parameters that these do not depend on are left out
 * @param also further initializers that training has changed
 * @throws BadInputError for a tied weight that is laid out in an unknown way
 */
export function findParameters(
  graph: ShapedGraph,
  layers: readonly Layer[],
  logits: string,
  also: ReadonlySet<string> = new Set(),
): FoundParameters {
  const origin = (initializer: string) => graph.origins?.get(initializer) ?? initializer;
  const copies = new Map<string, string[]>();
  for (const [name, { dtype }] of graph.initializers) {
    if (dtype !== 'float32') continue;
    if (!dependents(graph, new Set([name])).has(logits)) continue;
    copies.set(origin(name), [...(copies.get(origin(name)) ?? []), name]);
  }
  const parameters: Parameter[] = [];
  const claim = (
    name: string,
    facts: Pick<Parameter, 'part' | 'layer' | 'shape'>,
    source: string,
    known: readonly ParameterPlace[],
  ) => {
    const rest = (copies.get(source) ?? []).filter(
      (copy) => !known.some(({ initializer }) => initializer === copy),
    );
    copies.delete(source);
    const first = known[0];
    const values = first === undefined ? undefined : parameterValues(graph, first, facts.shape);
    const found = rest.map((copy) => findPlace(graph, copy, facts.shape, values));
    parameters.push({ name, ...facts, places: [...known, ...found] });
  };
  for (const layer of layers) {
    if (copies.has(layer.weight)) {
      const shape = [layer.groups * layer.outDim, layer.inDim];
      const known = weightPlaces(graph, layer);
      claim(weightName(layer), { part: 'weight', layer, shape }, layer.weight, known);
    }
    const bias = layer.bias === undefined ? undefined : origin(layer.bias);
    const size = layer.groups * layer.outDim;
    if (bias === undefined || !copies.has(bias)) continue;
    if (elementCount(typeOf(graph, layer.bias as string).shape) !== size) continue;
    const known = { initializer: layer.bias as string, apart: [size], perm: undefined };
    claim(biasName(layer), { part: 'bias', layer, shape: [size] }, bias, [known]);
  }
  const trainable = inputsOf(graph, TRAINABLE_INPUTS);
  const running = inputsOf(graph, RUNNING_STATISTICS);
  const scales = inputsOf(graph, SCALES_AND_SHIFTS);
  const laidOutAnew = groupNormParameters(graph);
  for (const [source, [copy]] of [...copies]) {
    if (copy === undefined || running.has(copy)) continue;
    const name = (isMadeUp(source) ? laidOutAnew.get(copy) : undefined) ?? source;
    const isNamed = /\.(weight|bias)$/.test(name);
    const isFiller = isMadeUp(source) && scales.has(copy) && isUniform(graph, copy);
    const isTrainable = trainable.has(copy) && !isFiller;
    if (!isNamed && !also.has(source) && !isTrainable) continue;
    const { shape } = typeOf(graph, copy);
    const known = { initializer: copy, apart: shape, perm: undefined };
    claim(name, { part: undefined, layer: undefined, shape }, source, [known]);
  }
  const isNumber = (source: string) =>
    isMadeUp(source) &&
    (copies.get(source) ?? []).every((copy) => elementCount(typeOf(graph, copy).shape) === 1);
  const statistics = [...copies].filter(([, held]) => held.some((copy) => running.has(copy)));
  return {
    parameters,
    constants: [...copies.keys()].filter((source) => !isNumber(source)),
    statistics: statistics.map(([source]) => source),
  };
}

/** Whether all elements of an initializer are equal. */
function isUniform({ initializers }: ShapedGraph, name: string): boolean {
  const found = initializers.get(name);
  if (found === undefined) return false;
  const [first, ...others] = tensor.tensorNumbers(found);
  return others.every((value) => value === first);
}

/** Values that ops take as the inputs of these numbers. */
function inputsOf(
  graph: ShapedGraph,
  indices: Readonly<Record<string, readonly number[]>>,
): ReadonlySet<string> {
  const inputs = graph.nodes.flatMap((node) =>
    (indices[node.op] ?? []).map((index) => node.inputs[index] ?? ''),
  );
  return new Set(inputs);
}

/** Where the nodes of a layer read its weight: `layerMatrix`, the other way round. */
function weightPlaces(graph: ShapedGraph, layer: Layer): readonly ParameterPlace[] {
  return layerMatrix(graph, layer, false).values.map(({ value, apart, perm }) => {
    const back = perm.map((_, axis) => perm.indexOf(axis));
    const isAsItLies = perm.every((axis, place) => axis === place);
    return {
      initializer: value,
      apart: perm.map((axis) => apart[axis] ?? 1),
      perm: isAsItLies ? undefined : back,
    };
  });
}

/** How another copy of a parameter is laid out: found by comparing contents. */
function findPlace(
  graph: ShapedGraph,
  initializer: string,
  shape: readonly number[],
  values: Tensor | undefined,
): ParameterPlace {
  const stored = graph.initializers.get(initializer);
  const candidates: readonly ParameterPlace[] = [
    { initializer, apart: shape, perm: undefined },
    ...(shape.length === 2 ? [{ initializer, apart: shape, perm: [1, 0] }] : []),
  ];
  const found = candidates.find((place) => {
    const read = parameterValues(graph, place, shape);
    return values !== undefined && Buffer.compare(read.bytes, values.bytes) === 0;
  });
  if (found !== undefined) return found;
  throw new BadInputError(
    'unknown-layout',
    `the model holds the tied weight '${graph.origins?.get(initializer) ?? initializer}' in a layout [${stored?.shape}] that is not supported`,
  );
}

/** The parameter that a place holds, in the parameter's own shape. */
export function parameterValues(
  graph: ShapedGraph,
  { initializer, apart, perm }: ParameterPlace,
  shape: readonly number[],
): Tensor {
  const stored = graph.initializers.get(initializer);
  if (stored === undefined) throw new Error(`graph has no initializer '${initializer}'`);
  if (perm === undefined) return { ...stored, shape };
  const laidOut = perm.map((axis) => apart[axis] ?? 0);
  const back = perm.map((_, axis) => perm.indexOf(axis));
  return { ...permuted({ ...stored, shape: laidOut }, back), shape };
}

/** The initializer's contents that hold the parameter's values. */
export function storedValues(
  values: Tensor,
  { apart, perm }: ParameterPlace,
  shape: readonly number[],
): Tensor {
  if (perm === undefined) return { ...values, shape };
  return { ...permuted({ ...values, shape: apart }, perm), shape };
}
