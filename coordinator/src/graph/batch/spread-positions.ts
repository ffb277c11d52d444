// Gives every sample its own rows of an embedding at fixed positions, which the file computes once for the whole batch.
import { consumers, type Node, type ShapedGraph, type Tensor, typeOf } from '../graph.js';
import { opRule } from '../ops/table.js';

/**
 * Position embeddings take the same rows for all samples: indices [1, T], rows [1, T, d] that are broadcast
 * over the batch. Their cotangents would be summed over the samples; with indices [batch, T] each sample
 * has its own. Only where all that reads the rows broadcasts them anyway, so that nothing else changes.
 */
export function spreadPositions(graph: ShapedGraph, batch: number): ShapedGraph {
  if (batch === 1) return graph;
  const readers = consumers(graph);
  const types = new Map(graph.types);
  const initializers = new Map(graph.initializers);
  const nodes = graph.nodes.map((node): Node => {
    const [table = '', indices = ''] = node.inputs;
    const held = graph.initializers.get(indices);
    if (node.domain !== '' || node.op !== 'Gather' || !graph.initializers.has(table)) return node;
    if (held === undefined || held.shape.length < 2 || held.shape[0] !== 1) return node;
    const rows = valuesUntilBroadcast(graph, node.outputs[0] ?? '', batch, readers);
    if (rows === undefined) return node;
    const name = `kl_positions_${node.name}`;
    const spread = repeated(held, batch);
    initializers.set(name, spread);
    types.set(name, { dtype: spread.dtype, shape: spread.shape });
    for (const value of rows) {
      const { dtype, shape } = typeOf(graph, value);
      types.set(value, { dtype, shape: [batch, ...shape.slice(1)] });
    }
    return { ...node, inputs: [table, name] };
  });
  return { ...graph, nodes, initializers, types };
}

/**
 * The values [1, ...] from `value` on that end in broadcasts over the batch; undefined where something else
 * reads them.
 */
function valuesUntilBroadcast(
  graph: ShapedGraph,
  value: string,
  batch: number,
  readers: ReadonlyMap<string, readonly Node[]>,
): readonly string[] | undefined {
  const { shape } = typeOf(graph, value);
  if (shape[0] !== 1 || graph.outputs.some(({ name }) => name === value)) return undefined;
  const found = [value];
  for (const { domain, op, outputs } of readers.get(value) ?? []) {
    const [output = ''] = outputs;
    const made = typeOf(graph, output).shape;
    const elementwise = domain === '' && (op === 'Cast' || opRule(op)?.broadcasts === true);
    if (!elementwise || made.length !== shape.length) return undefined;
    if (made[0] === batch) continue;
    const further = valuesUntilBroadcast(graph, output, batch, readers);
    if (further === undefined) return undefined;
    found.push(...further);
  }
  return found;
}

/** A tensor [1, ...] as [count, ...]. */
function repeated({ dtype, shape, bytes }: Tensor, count: number): Tensor {
  const all = new Uint8Array(count * bytes.byteLength);
  for (let index = 0; index < count; index += 1) all.set(bytes, index * bytes.byteLength);
  return { dtype, shape: [count, ...shape.slice(1)], bytes: all };
}
