// Finds parameters that no layer has: what is added or multiplied elementwise, and what goes into constants.
import {
  consumers,
  elementCount,
  type Graph,
  isMadeUp,
  reads,
  type ShapedGraph,
} from '../graph/index.js';
import { ancestors, type Discovery, type Layer } from '../layers/index.js';
import { groupNormParameters } from './affine-names.js';
import { AFFINE, STATISTICS } from './parameters.js';

const MOST_NAMES = 6;
/** Weights of these are layers, or noted as layers that compute the same for every sample. */
const LAYER_OPS: ReadonlySet<string> = new Set(['Gemm', 'MatMul', 'Conv', 'ConvTranspose']);
const LAST_PART = /\.[^.]*$/;

function listed(names: readonly string[]): string {
  const more = names.length > MOST_NAMES ? ` and ${names.length - MOST_NAMES} more` : '';
  return names.slice(0, MOST_NAMES).join(', ') + more;
}

/**
 * Sentences for the user: parameters that are part of no layer though the logits depend on them, biases and
 * normalisations aside; tables that the model uses in a part that is the same for every sample; weights that it
 * computes from parameters.
 * @param graph in canonical form
 * @param shaped the same graph with shapes
 */
export function unlayeredParameters(
  graph: Graph,
  shaped: ShapedGraph,
  { layers, skipped }: Discovery,
  logits: string,
): readonly string[] {
  const modules = new Set(skipped.map(({ name }) => name));
  const apart = apartFromLayers(shaped, layers, logits).filter(
    (name) => !modules.has(name.replace(LAST_PART, '')),
  );
  const computing = layers.filter((layer) => layer.computed);
  const computed = computing.map(({ name }) => name);
  const intoWeights = sources(graph, computing);
  const folded = foldedTables(graph, shaped).filter((name) => !intoWeights.has(name));
  return [
    ...(apart.length === 0
      ? []
      : [`part of no layer: ${listed(apart)}; --block '${apart[0]}' measures one of them`]),
    ...(folded.length === 0
      ? []
      : [`not analysed, since they go into what is the same for every sample: ${listed(folded)}`]),
    ...(computed.length === 0
      ? []
      : [
          `the weights of ${listed(computed)} are computed from parameters: the computed ones are analysed, called '${computed[0]}.computed_weight'`,
        ]),
  ];
}

/**
 * Names of what `modelParameters` would list beside layers' weights and biases, normalisations' vectors and single
 * numbers. Large tables are not looked into.
 */
function apartFromLayers(
  graph: ShapedGraph,
  layers: readonly Layer[],
  logits: string,
): readonly string[] {
  const uses = new Set(layers.flatMap(({ uses: own }) => own.map(({ node }) => node)));
  const ofLayers = new Set([
    ...graph.nodes.filter(({ name }) => uses.has(name)).flatMap(({ inputs }) => inputs),
    ...layers.flatMap(({ weight, bias }) => [weight, bias]),
  ]);
  const needed = ancestors(graph, logits);
  const laidOutAnew = groupNormParameters(graph);
  const read = graph.nodes.filter(({ outputs }) => outputs.some((output) => needed.has(output)));
  const names = [...new Set(read.flatMap(reads))].flatMap((value) => {
    const held = graph.initializers.get(value);
    const own = graph.origins?.get(value) ?? value;
    if (held?.dtype !== 'float32' || ofLayers.has(value) || ofLayers.has(own)) return [];
    const size = elementCount(held.shape);
    const name = (isMadeUp(own) ? laidOutAnew.get(value) : undefined) ?? own;
    const isVector = AFFINE.test(name) && held.shape.includes(size);
    if (size < 2 || isVector || isMadeUp(name) || STATISTICS.test(name)) return [];
    return graph.computed?.has(value) ? [] : [name];
  });
  return [...new Set(names)];
}

/** Parameters of two axes or more that specialising has computed with, but for layers' weights. */
function foldedTables(graph: Graph, shaped: ShapedGraph): readonly string[] {
  const readers = consumers(graph);
  const kept = new Set([...shaped.initializers.keys(), ...(shaped.origins?.values() ?? [])]);
  return [...graph.initializers]
    .filter(([name, { dtype, shape }]) => {
      if (dtype !== 'float32' || shape.filter((size) => size > 1).length < 2) return false;
      if (isMadeUp(name) || kept.has(name)) return false;
      const used = readers.get(name) ?? [];
      return used.length > 0 && !used.some(({ op }) => LAYER_OPS.has(op));
    })
    .map(([name]) => name);
}

/** What the weights of layers are computed from. */
function sources(graph: Graph, layers: readonly Pick<Layer, 'weight'>[]): ReadonlySet<string> {
  const found = new Set(layers.map(({ weight }) => weight));
  for (const { inputs, outputs } of [...graph.nodes].reverse())
    if (outputs.some((output) => found.has(output))) for (const input of inputs) found.add(input);
  return found;
}
