// Gives a layer's uses a weight of their own where others read it too, so that it is differentiated in them alone.
import type { ShapedGraph } from '../graph/index.js';
import type { Layer } from '../layers/index.js';

/**
 * The graph in which no other node reads the values that the layer multiplies by: an embedding that
 * shares the weight of the output layer keeps the one that the file has.
 */
export function withOwnWeight(graph: ShapedGraph, layer: Layer): ShapedGraph {
  const own = new Map(layer.uses.map(({ node, input }) => [node, input]));
  const others = new Set(
    graph.nodes.flatMap((node) => (own.has(node.name) ? [] : [...node.inputs])),
  );
  const copies = new Map<string, string>();
  const nodes = graph.nodes.map((node) => {
    const input = own.get(node.name);
    if (input === undefined) return node;
    const weight = node.inputs.slice(0, 2).find((value) => value !== input);
    if (weight === undefined || !others.has(weight) || !graph.initializers.has(weight)) return node;
    const copy = `kl_weight_of_${layer.name}_${weight}`;
    copies.set(weight, copy);
    return { ...node, inputs: node.inputs.map((value) => (value === weight ? copy : value)) };
  });
  if (copies.size === 0) return graph;
  const initializers = new Map(graph.initializers);
  const types = new Map(graph.types);
  for (const [weight, copy] of copies) {
    const [held, type] = [graph.initializers.get(weight), graph.types.get(weight)];
    if (held !== undefined) initializers.set(copy, held);
    if (type !== undefined) types.set(copy, type);
  }
  return { ...graph, nodes, initializers, types };
}
