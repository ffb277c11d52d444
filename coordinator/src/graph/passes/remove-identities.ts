// Removes nodes that pass their input on: Identity, and Dropout in inference.
import { captures, reads } from '../bodies.js';
import { consumers, type Graph, type Node, producers } from '../graph.js';
import { tensorNumbers } from '../tensor.js';

/**
 * The graph in which what read such a node's output reads its input. Graph outputs keep their
 * names: the node that makes the input takes the output's name instead. A node stays where no
 * renaming is possible (a graph input that is an output too) or where a body captures its output.
 */
export function removeIdentities(graph: Graph): Graph {
  const readers = consumers(graph);
  const makers = producers(graph);
  const outputs = new Set(graph.outputs.map((output) => output.name));
  const captured = new Set(graph.nodes.flatMap((node) => [...captures(node)]));
  /** From a value to the one that takes its place. */
  const replaced = new Map<string, string>();
  const current = (value: string): string => {
    let name = value;
    for (let next = replaced.get(name); next !== undefined; next = replaced.get(name)) name = next;
    return name;
  };
  const isUsed = (value: string) => value !== '' && (outputs.has(value) || readers.has(value));
  const nodes = graph.nodes.filter((node) => {
    if (!passesOn(graph, node) || node.outputs.slice(1).some(isUsed)) return true;
    const output = node.outputs[0] ?? '';
    const input = current(node.inputs[0] ?? '');
    if (captured.has(output)) return true;
    if (!outputs.has(output)) {
      replaced.set(output, input);
      return false;
    }
    if (!makers.has(input) || outputs.has(input) || captured.has(input)) return true;
    replaced.set(input, output);
    return false;
  });
  if (nodes.length === graph.nodes.length) return graph;
  return {
    ...graph,
    nodes: nodes.map((node) => ({
      ...node,
      inputs: node.inputs.map(current),
      outputs: node.outputs.map(current),
    })),
  };
}

function passesOn(graph: Graph, node: Node): boolean {
  if (node.domain !== '' || reads(node)[0] === undefined) return false;
  if (node.op === 'Identity') return true;
  if (node.op !== 'Dropout') return false;
  // Before opset 12 there was no training mode; where it is on or unknown the pass `upgrade` refuses.
  const training = node.inputs[2] ?? '';
  if (training === '') return true;
  const mode = graph.initializers.get(training);
  return mode !== undefined && tensorNumbers(mode)[0] === 0;
}
