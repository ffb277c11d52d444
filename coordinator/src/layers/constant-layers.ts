// Finds layers that compute the same for every sample, as those of position encodings, which specialising makes constants.
import type { Graph, ShapedGraph } from '../graph/index.js';
import { layerName } from './names.js';

const LAYERS: ReadonlySet<string> = new Set(['Gemm', 'MatMul', 'Conv', 'ConvTranspose']);

/**
 * Of each such layer, a sentence for the user.
 * @param graph in canonical form
 * @param shaped the same graph with shapes: its constant nodes are gone
 */
export function constantLayers(graph: Graph, shaped: ShapedGraph): readonly string[] {
  const left = new Set(shaped.nodes.map(({ name }) => name));
  return graph.nodes.flatMap((node) => {
    if (node.domain !== '' || !LAYERS.has(node.op) || left.has(node.name)) return [];
    const weight = node.inputs.find(
      (input) => input.endsWith('.weight') && graph.initializers.has(input),
    );
    if (weight === undefined) return [];
    return [
      `the layer '${layerName(node, weight)}' computes the same for every sample, from constants alone: it is not analysed`,
    ];
  });
}
