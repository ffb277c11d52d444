// Turns rows of a table that are taken by slicing (`wpe.weight[:t]`) into rows that are looked up: an embedding.
import { FreshNames, valueNames } from '../fresh-names.js';
import { consumers, type Graph, type Node, type Tensor } from '../graph.js';
import { intTensor, tensorNumbers } from '../tensor.js';

/** What reads positions' rows; a weight that is cut into parts for products is none. */
const ROW_READERS: ReadonlySet<string> = new Set(['Add', 'Mul', 'Unsqueeze', 'Expand']);

/**
 * Slice(table [V, d], from, to, axis 0) becomes Gather(table, Slice([0 .. V - 1], from, to)), for float32 tables that
 * PyTorch calls `.weight`. Needs Slice in the form of opset 10 or newer.
 */
export function sliceRows(graph: Graph): Graph {
  const readers = consumers(graph);
  const initializers = new Map(graph.initializers);
  const names = new FreshNames(valueNames(graph));
  const nodes = graph.nodes.flatMap((node): readonly Node[] => {
    const [table = '', ...bounds] = node.inputs;
    const [output = ''] = node.outputs;
    const held = graph.initializers.get(table);
    const used = readers.get(output) ?? [];
    const isRead = used.length > 0 && used.every(({ op }) => ROW_READERS.has(op));
    if (!isTable(table, held) || !isRead || !cutsRows(graph, node)) return [node];
    const all = names.take(`kl_rows_of_${table}`);
    const rows = names.take(`kl_rows_${output}`);
    initializers.set(all, intTensor(Array.from({ length: held?.shape[0] ?? 0 }, (_, i) => i)));
    return [
      { ...node, name: rows, inputs: [all, ...bounds], outputs: [rows] },
      { ...node, op: 'Gather', inputs: [table, rows] },
    ];
  });
  return nodes.length === graph.nodes.length ? graph : { ...graph, nodes, initializers };
}

function isTable(name: string, held: Tensor | undefined): boolean {
  return name.endsWith('.weight') && held?.dtype === 'float32' && held.shape.length === 2;
}

/** Whether a Slice is along the first axis alone. */
function cutsRows(graph: Graph, { domain, op, inputs }: Node): boolean {
  if (domain !== '' || op !== 'Slice') return false;
  const axes = graph.initializers.get(inputs[3] ?? '');
  return axes !== undefined && String(tensorNumbers(axes)) === '0';
}
