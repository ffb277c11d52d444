// Drops nodes and initializers that no output needs.
import { reads } from '../bodies.js';
import type { Graph } from '../graph.js';

/** The graph without them; inputs stay, they are the model's interface. */
export function removeDeadCode(graph: Graph): Graph {
  const needed = new Set(graph.outputs.map((output) => output.name));
  const nodes = [...graph.nodes]
    .reverse()
    .filter((node) => {
      if (!node.outputs.some((output) => output !== '' && needed.has(output))) return false;
      for (const value of reads(node)) needed.add(value);
      return true;
    })
    .reverse();
  const initializers = new Map([...graph.initializers].filter(([name]) => needed.has(name)));
  const changed = nodes.length < graph.nodes.length || initializers.size < graph.initializers.size;
  return changed ? { ...graph, nodes, initializers } : graph;
}
