// Tells a node test's inputs that vary from those that would be constants in an exported model.
import type { DType, Graph, Tensor } from '../../graph/graph.js';

const FLOATS: ReadonlySet<DType> = new Set(['float32', 'float64', 'float16', 'bfloat16']);

/** Floating-point inputs that are settings of an op and not data, by op and place. */
const SETTINGS: Readonly<Record<string, readonly number[]>> = {
  Resize: [1, 2],
  Upsample: [1],
  Dropout: [1],
  Range: [0, 1, 2],
  OneHot: [1],
  BatchNormalization: [3, 4],
};

export function isFloat(dtype: DType): boolean {
  return FLOATS.has(dtype);
}

/** The graph in which all inputs but floating-point data are initializers with the stored contents. */
export function withBoundInputs(graph: Graph, stored: ReadonlyMap<string, Tensor>): Graph {
  const settings = new Set(
    graph.nodes.flatMap((node) => (SETTINGS[node.op] ?? []).map((index) => node.inputs[index])),
  );
  const varies = ({ name, dtype }: Graph['inputs'][number]) =>
    isFloat(dtype) && !settings.has(name);
  const initializers = new Map(graph.initializers);
  for (const input of graph.inputs) {
    const value = stored.get(input.name);
    if (!varies(input) && value !== undefined) initializers.set(input.name, value);
  }
  return { ...graph, inputs: graph.inputs.filter(varies), initializers };
}
