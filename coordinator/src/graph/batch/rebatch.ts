// Gives a model that was exported at a fixed batch size another one, where constants in it tell the batch.
import type { Graph, Node, Tensor } from '../graph.js';
import { intTensor, tensorNumbers } from '../tensor.js';
import { at } from '../window.js';

/** Ops whose second input is a shape that may begin with the batch. */
const SHAPED_BY_CONSTANT: ReadonlySet<string> = new Set(['Reshape', 'Expand']);

/**
 * The graph for `to` samples instead of `from`: leading sizes of Reshape and Expand on values that
 * depend on an input are scaled. Whether the result computes the same has to be tried by running it.
 */
export function rebatch(graph: Graph, from: number, to: number): Graph {
  const varying = new Set(graph.inputs.map(({ name }) => name));
  const initializers = new Map(graph.initializers);
  const nodes = graph.nodes.map((node): Node => {
    if (!node.inputs.some((input) => varying.has(input))) return node;
    for (const output of node.outputs) varying.add(output);
    const [value, shape] = node.inputs;
    const constant = shape === undefined ? undefined : graph.initializers.get(shape);
    if (!SHAPED_BY_CONSTANT.has(node.op) || constant === undefined) return node;
    const scaled = scaledShape(constant, from, to);
    if (scaled === undefined) return node;
    const name = `kl_rebatch_${node.name}_${to}`;
    initializers.set(name, scaled);
    return { ...node, inputs: [value as string, name] };
  });
  const free = <T extends Graph['inputs'][number]>(info: T): T => ({
    ...info,
    shape: info.shape === undefined ? undefined : ['batch', ...info.shape.slice(1)],
  });
  return {
    ...graph,
    inputs: graph.inputs.map(free),
    outputs: graph.outputs.map(free),
    nodes,
    initializers,
  };
}

function scaledShape(constant: Tensor, from: number, to: number): Tensor | undefined {
  if (constant.dtype !== 'int64' || constant.shape.length !== 1) return undefined;
  const sizes = tensorNumbers(constant);
  if (sizes.length === 0) return undefined;
  const leading = at(sizes, 0);
  if (leading <= 0 || leading % from !== 0) return undefined;
  return intTensor([(leading / from) * to, ...sizes.slice(1)]);
}
