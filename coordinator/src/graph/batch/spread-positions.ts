// Gives every sample its own rows of an embedding at fixed positions, which the file computes once for the whole batch.
import { consumers, type Node, type ShapedGraph, type Tensor, typeOf } from '../graph.js';
import { opRule } from '../ops/table.js';
import { intTensor } from '../tensor.js';

/**
 * How a value that all samples share holds one of each sample instead: [1, ...] becomes [batch, ...], and what
 * has no such axis, as rows [T, d], gets it in front.
 */
type Spread = 'leading' | 'in front';

const spreadShape = (shape: readonly number[], spread: Spread, batch: number) => [
  batch,
  ...(spread === 'leading' ? shape.slice(1) : shape),
];

/**
 * Position embeddings take the same rows for all samples: indices [1, T] or [T], rows [1, T, d] or [T, d] that are
 * broadcast over the batch. Their cotangents would be summed over the samples; with indices [batch, T] each sample
 * has its own. Only where all that reads the rows broadcasts them anyway, so that nothing else changes.
 */
export function spreadPositions(graph: ShapedGraph, batch: number): ShapedGraph {
  const readers = consumers(graph);
  const types = new Map(graph.types);
  const initializers = new Map(graph.initializers);
  const hold = (name: string, tensor: Tensor) => {
    initializers.set(name, tensor);
    types.set(name, { dtype: tensor.dtype, shape: tensor.shape });
    return name;
  };
  /** What takes the place of nodes, by their first output. */
  const replaced = new Map<string, Node>();
  for (const node of graph.nodes) {
    const [table = '', indices = ''] = node.inputs;
    const held = graph.initializers.get(indices);
    if (node.domain !== '' || node.op !== 'Gather' || !graph.initializers.has(table)) continue;
    const spread = held && spreadOf(held.shape);
    if (held === undefined || spread === undefined) continue;
    const output = node.outputs[0] ?? '';
    const rows = valuesUntilBroadcast(graph, output, spread, batch, readers);
    if (rows === undefined) continue;
    const given = hold(`kl_positions_${node.name}`, repeated(held, spread, batch));
    replaced.set(output, { ...node, inputs: [table, given] });
    for (const [value, how] of rows) {
      const { dtype, shape } = typeOf(graph, value);
      types.set(value, { dtype, shape: spreadShape(shape, how, batch) });
    }
    for (const reader of [...rows.keys()].flatMap((value) => readers.get(value) ?? [])) {
      const [from = ''] = reader.inputs;
      if (rows.get(from) !== 'in front' || !addsUnit(graph, reader)) continue;
      const shape = intTensor([...(types.get(from)?.shape ?? [])]);
      const inputs = [from, hold(`kl_shape_${reader.name}`, shape)];
      replaced.set(reader.outputs[0] ?? '', { ...reader, op: 'Reshape', inputs, attributes: {} });
    }
  }
  const nodes = graph.nodes.map((node) => replaced.get(node.outputs[0] ?? '') ?? node);
  return { ...graph, nodes, initializers, types };
}

/** How rows at indices of this shape spread; undefined where each sample has its own, or it cannot be told. */
function spreadOf(shape: readonly number[]): Spread | undefined {
  if (shape.length > 1 && shape[0] === 1) return 'leading';
  return shape.length === 1 ? 'in front' : undefined;
}

/**
 * The values that are the same for all samples, from `value` on, and end in broadcasts over the batch; undefined
 * where something else reads them.
 */
function valuesUntilBroadcast(
  graph: ShapedGraph,
  value: string,
  spread: Spread,
  batch: number,
  readers: ReadonlyMap<string, readonly Node[]>,
): ReadonlyMap<string, Spread> | undefined {
  const found = new Map<string, Spread>([[value, spread]]);
  for (const [from, how] of found) {
    const { shape } = typeOf(graph, from);
    if (graph.outputs.some(({ name }) => name === from)) return undefined;
    for (const reader of readers.get(from) ?? []) {
      const [output = ''] = reader.outputs;
      const made = typeOf(graph, output).shape;
      const axes = how === 'leading' ? shape.length : shape.length + 1;
      if (how === 'in front' && addsUnit(graph, reader)) found.set(output, 'leading');
      else if (!isElementwise(reader)) return undefined;
      else if (made.length === axes && made[0] === batch) continue;
      else if (made.length === axes) found.set(output, 'leading');
      else if (made.length === shape.length) found.set(output, 'in front');
      else return undefined;
    }
  }
  const shared = (input: string) => found.has(input) || graph.initializers.has(input);
  /** Without an axis in front the batch of another operand would lie along a wrong one. */
  const stays = [...found].every(
    ([made, how]) =>
      made === value ||
      how === 'leading' ||
      graph.nodes.some(({ inputs, outputs }) => outputs[0] === made && inputs.every(shared)),
  );
  return stays ? found : undefined;
}

const isElementwise = ({ domain, op }: Node) =>
  domain === '' && (op === 'Cast' || opRule(op)?.broadcasts === true);

/** Whether a node does nothing but put an axis of size 1 in front. */
function addsUnit(graph: ShapedGraph, { domain, op, inputs, outputs }: Node): boolean {
  if (domain !== '' || (op !== 'Unsqueeze' && op !== 'Reshape')) return false;
  const from = typeOf(graph, inputs[0] ?? '').shape;
  return String(typeOf(graph, outputs[0] ?? '').shape) === String([1, ...from]);
}

/** A tensor [1, ...] or [...] as [count, ...]. */
function repeated({ dtype, shape, bytes }: Tensor, spread: Spread, count: number): Tensor {
  const all = new Uint8Array(count * bytes.byteLength);
  for (let index = 0; index < count; index += 1) all.set(bytes, index * bytes.byteLength);
  return { dtype, shape: spreadShape(shape, spread, count), bytes: all };
}
