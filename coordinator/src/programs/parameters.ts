// The parameters of a model by name: weights and biases of its layers, and what else the file holds and names.
import {
  dependents,
  elementCount,
  isMadeUp,
  reads,
  type ShapedGraph,
  tensor,
  typeOf,
} from '../graph/index.js';
import { biasName, isEmbedding, type Layer, weightName } from '../layers/index.js';
import { groupNormParameters } from './affine-names.js';
import { type BlockValue, layerMatrix, type ParameterMatrix, plain } from './parameter-block.js';

export const AFFINE = /\.(weight|(computed_)?bias)$/;
/** What normalisations in evaluation mode hold beside parameters. */
export const STATISTICS = /(^|\.)running_(mean|var)$/;

/**
 * All float32 parameters that the logits depend on, in the order in which the graph reads them: a
 * layer's weight as `weightName` calls it [groups * m, n], others under their names in the file, as they
 * lie there. Constants under names of an exporter's making and running statistics are left out.
 */
export function modelParameters(
  graph: ShapedGraph,
  layers: readonly Layer[],
  logits: string,
): readonly ParameterMatrix[] {
  const ofLayers = new Map<string, () => ParameterMatrix>();
  for (const layer of layers) {
    if (isEmbedding(layer)) continue;
    const weight = layerMatrix(graph, layer, false);
    const named = { ...weight, name: weightName(layer) };
    for (const { value } of weight.values) ofLayers.set(value, () => named);
    if (layer.bias === undefined) continue;
    const own = nameOf(graph, layer.bias);
    const nameless = layer.computedBias || isMadeUp(own);
    const bias = single(graph, layer.bias, nameless ? biasName(layer) : own);
    ofLayers.set(layer.bias, () => bias);
  }
  for (const layer of layers.filter(isEmbedding)) {
    // Rows of the table, as the file has them; the same parameter where the output layer shares it.
    const value = layer.weight;
    if (ofLayers.has(value) || !graph.initializers.has(value)) continue;
    const rows = single(graph, value, `${layer.tiedTo ?? layer.name}.weight`);
    ofLayers.set(value, () => rows);
  }
  const found = new Map<string, ParameterMatrix>();
  const laidOutAnew = groupNormParameters(graph);
  for (const value of new Set(graph.nodes.flatMap(reads))) {
    if (graph.initializers.get(value)?.dtype !== 'float32') continue;
    const own = nameOf(graph, value);
    const name = (isMadeUp(own) ? laidOutAnew.get(value) : undefined) ?? own;
    const matrix = ofLayers.get(value)?.() ?? single(graph, value, name);
    const isConstant =
      isMadeUp(name) || STATISTICS.test(name) || graph.computed?.has(value) === true;
    if (!ofLayers.has(value) && isConstant) continue;
    if (!dependents(graph, new Set([value])).has(logits)) continue;
    const other = found.get(matrix.name);
    if (other === undefined) found.set(matrix.name, matrix);
    else if (!matrix.values.every((entry) => holds(other, entry.value))) {
      // A layer's matrix says how its entries lie; a table that shares them follows it.
      const both = matrix.rows > other.rows ? [matrix, other] : [other, matrix];
      const [base, more] = both as [ParameterMatrix, ParameterMatrix];
      const rest = more.values.filter((entry) => !holds(base, entry.value));
      found.set(
        matrix.name,
        rest.reduce((all, entry) => tied(graph, all, entry.value), base),
      );
    }
  }
  return [...found.values()];
}

/**
 * The vectors among the parameters: biases and what normalisations multiply by and add, by their names
 * in the file, `<module>.weight` and `<module>.bias`.
 */
export function affineParameters(
  graph: ShapedGraph,
  layers: readonly Layer[],
  logits: string,
): readonly ParameterMatrix[] {
  const weights = new Set(layers.map(weightName));
  return modelParameters(graph, layers, logits).filter(
    ({ name, columns, values }) =>
      !weights.has(name) &&
      AFFINE.test(name) &&
      values.every(({ value }) => typeOf(graph, value).shape.includes(columns)),
  );
}

function nameOf(graph: ShapedGraph, value: string): string {
  return graph.origins?.get(value) ?? value;
}

function single(graph: ShapedGraph, value: string, name: string): ParameterMatrix {
  const columns = elementCount(typeOf(graph, value).shape);
  return { name, rows: 1, columns, values: [{ value, ...plain(columns), columns: [0, columns] }] };
}

function holds({ values }: ParameterMatrix, value: string): boolean {
  return values.some((entry) => entry.value === value);
}

/** The parameter with one more value that holds the same entries, in the same order or transposed. */
function tied(graph: ShapedGraph, matrix: ParameterMatrix, value: string): ParameterMatrix {
  const { rows, columns, values } = matrix;
  const [first] = values;
  const [a, b] = [first?.value ?? '', value].map((name) => graph.initializers.get(name));
  if (first === undefined || a === undefined || b === undefined)
    throw new Error(`graph has no initializer '${value}'`);
  const expected = laidOut(tensor.tensorNumbers(a), first);
  const entries = tensor.tensorNumbers(b);
  const all = [0, columns] as const;
  const layouts: readonly BlockValue[] = [
    { value, ...plain(rows * columns), columns: all },
    { value, apart: [columns, rows], perm: [1, 0], columns: all },
  ];
  const fitting = layouts.find((layout) =>
    laidOut(entries, layout).every((entry, i) => entry === expected[i]),
  );
  // Another layout of the same parameter would need its own reading; nothing is tied silently.
  if (fitting === undefined)
    throw new Error(`parameter '${matrix.name}' is used in a layout that is not known`);
  return { ...matrix, values: [...values, fitting] };
}

/** A value's entries in the order of the matrix. */
function laidOut(entries: ArrayLike<number>, { apart, perm }: BlockValue): readonly number[] {
  const strides = apart.map((_, axis) => elementCount(apart.slice(axis + 1)));
  const ordered = perm.map((axis) => [apart[axis] ?? 1, strides[axis] ?? 1] as const);
  let places = [0];
  for (const [size, stride] of ordered)
    places = places.flatMap((place) => Array.from({ length: size }, (_, i) => place + i * stride));
  return places.map((place) => entries[place] ?? Number.NaN);
}
