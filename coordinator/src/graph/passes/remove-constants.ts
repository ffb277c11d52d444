// Turns Constant nodes into initializers.
import type { Graph, Node, Tensor } from '../graph.js';
import { floatTensor, intTensor } from '../tensor.js';

/**
 * The graph whose constants are initializers under the names of the nodes' outputs. Constants of
 * strings and sparse ones stay nodes: nothing that is analysed reads them.
 */
export function removeConstants(graph: Graph): Graph {
  const initializers = new Map(graph.initializers);
  const nodes = graph.nodes.filter((node) => {
    const tensor = contents(node);
    if (tensor === undefined) return true;
    for (const output of node.outputs) if (output !== '') initializers.set(output, tensor);
    return false;
  });
  return nodes.length === graph.nodes.length ? graph : { ...graph, nodes, initializers };
}

/** What a Constant holds; undefined for other nodes and for constants that are no numbers. */
function contents(node: Node): Tensor | undefined {
  if (node.op !== 'Constant' || node.domain !== '') return undefined;
  const { value, value_int, value_ints, value_float, value_floats } = node.attributes;
  if (value?.kind === 'tensor') return value.value;
  if (value_int?.kind === 'int') return intTensor([value_int.value], []);
  if (value_ints?.kind === 'ints') return intTensor(value_ints.value);
  if (value_float?.kind === 'float') return floatTensor([value_float.value], []);
  if (value_floats?.kind === 'floats')
    return floatTensor(value_floats.value, [value_floats.value.length]);
  return undefined;
}
