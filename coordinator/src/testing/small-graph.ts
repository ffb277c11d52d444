// Graphs that tests write down by hand, with few words.
import type { Attributes, Graph, Node, ValueInfo } from '../graph/graph.js';

/** A node called after its first output; `op` may have a domain in front: `com.example/Op`. */
export function node(
  op: string,
  inputs: readonly string[],
  outputs: readonly string[],
  attributes: Attributes = {},
): Node {
  const slash = op.lastIndexOf('/');
  return {
    name: outputs[0] ?? op,
    op: op.slice(slash + 1),
    domain: op.slice(0, Math.max(0, slash)),
    inputs,
    outputs,
    attributes,
    metadata: new Map(),
  };
}

/** A float32 value of a declared shape. */
export function info(name: string, shape?: readonly (number | string)[]): ValueInfo {
  return { name, dtype: 'float32', shape };
}

/** A graph at opset 20, where not said otherwise. */
export function graph(parts: Partial<Graph> & Pick<Graph, 'inputs' | 'outputs' | 'nodes'>): Graph {
  return { opset: 20, irVersion: 8, initializers: new Map(), domains: new Map(), ...parts };
}
