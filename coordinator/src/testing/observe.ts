// Every value's type, learnt by computing every value: the plain way, for graphs as small as a test's.
import { encodeModel } from '../graph/codec/encode-model.js';
import type { Evaluator } from '../graph/evaluator.js';
import type { Graph, ShapedGraph, Tensor, TensorType } from '../graph/graph.js';

/** Runs `graph` once with all its values as outputs; nothing is folded. */
export async function observe(
  graph: Graph,
  feeds: ReadonlyMap<string, Tensor>,
  evaluator: Evaluator,
): Promise<ShapedGraph> {
  const values = graph.nodes.flatMap((node) => node.outputs.filter((output) => output !== ''));
  const outputs = values.map((name) => ({ name, dtype: 'float32' as const, shape: undefined }));
  const model = encodeModel({ ...graph, outputs }, { untypedOutputs: true });
  const { tensors } = await evaluator.evaluate(model, feeds, values);
  const types = new Map<string, TensorType>();
  for (const source of [graph.initializers, feeds, tensors])
    for (const [name, { dtype, shape }] of source) types.set(name, { dtype, shape });
  return { ...graph, types };
}
