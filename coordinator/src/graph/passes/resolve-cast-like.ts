// Replaces CastLike by Cast, so that a constant cast to the data's type no longer depends on the data.
import { int } from '../attributes.js';
import { ELEMENT_TYPE } from '../codec/format.js';
import type { Graph } from '../graph.js';
import { knownDtypes } from '../known-dtypes.js';

/** The graph in which CastLike is Cast wherever the file tells the type. */
export function resolveCastLike(graph: Graph): Graph {
  if (!graph.nodes.some((node) => node.op === 'CastLike')) return graph;
  const dtypes = knownDtypes(graph);
  const nodes = graph.nodes.map((node) => {
    const dtype = dtypes.get(node.inputs[1] ?? '');
    if (node.op !== 'CastLike' || node.domain !== '' || dtype === undefined) return node;
    const attributes = { ...node.attributes, to: int(ELEMENT_TYPE[dtype]) };
    return { ...node, op: 'Cast', inputs: node.inputs.slice(0, 1), attributes };
  });
  return { ...graph, nodes };
}
