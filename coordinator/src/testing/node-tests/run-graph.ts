// Runs graphs of node tests.
import { encodeModel } from '../../graph/codec/encode-model.js';
import type { Graph, Tensor } from '../../graph/graph.js';
import { ortEvaluator } from '../ort-evaluator.js';

export type Values = ReadonlyMap<string, Tensor>;

/** All outputs of the graph; those that are initializers need no run. */
export async function runOnce(graph: Graph, inputs: Values): Promise<Values> {
  const names = graph.outputs.map(({ name }) => name);
  const known = new Map(
    names.flatMap((name) => {
      const tensor = graph.initializers.get(name);
      return tensor === undefined ? [] : [[name, tensor] as const];
    }),
  );
  const outputs = graph.outputs.filter(({ name }) => !known.has(name));
  if (outputs.length === 0) return known;
  const model = encodeModel({ ...graph, outputs }, { untypedOutputs: true });
  const wanted = outputs.map(({ name }) => name);
  const { tensors } = await ortEvaluator.evaluate(model, feedsOf(graph, inputs), wanted);
  return new Map([...known, ...tensors]);
}

/** The graph's inputs among some values. */
export function feedsOf(graph: Graph, values: Values): Values {
  return new Map(graph.inputs.map(({ name }) => [name, values.get(name) as Tensor]));
}

/** The first line of an error. */
export function messageOf(cause: unknown): string {
  return (cause instanceof Error ? cause.message : String(cause)).split('\n')[0] ?? '';
}
