// Splits attention's projections by what their outputs become: queries, keys and values, or heads.
import { consumers, type Node, type ShapedGraph, typeOf } from '../graph/index.js';
import type { Layer } from './layer.js';

export type ProjectionSplit = 'qkv' | 'heads';

/** Rows of W that become one of several things, such as the queries. */
interface Part {
  readonly role: string | undefined;
  readonly rows: readonly number[];
  /** Heads that the rows are cut into, in order; undefined where no head can be told. */
  readonly heads: number | undefined;
}

/** Ops on the way from a projection to the product of queries and keys, or of weights and values. */
const ON_THE_WAY = new Set(
  'Reshape Transpose Split Slice Gather Squeeze Unsqueeze Concat Expand Identity Cast Add Sub Mul Div Neg Softmax'.split(
    ' ',
  ),
);

/**
 * The layers with fused projections replaced by one layer for q, k and v each (`qkv`), or all
 * projections by one layer a head (`heads`), named `attn.q`, `attn.h0`, `attn.q.h0`. A part has the
 * whole layer's input and some rows of its weight. What is no projection stays as it is.
 */
export function splitProjections(
  graph: ShapedGraph,
  layers: readonly Layer[],
  split: ProjectionSplit,
): readonly Layer[] {
  const readers = consumers(graph);
  return layers.flatMap((layer) => {
    const parts = partsOf(graph, readers, layer);
    if (parts === undefined) return [layer];
    return split === 'qkv' ? byRole(layer, parts) : byHead(layer, parts);
  });
}

function byRole(layer: Layer, parts: readonly Part[]): readonly Layer[] {
  if (parts.length === 1) return [layer];
  return parts.map(({ role, rows }) => part(layer, `${layer.name}.${role}`, rows));
}

function byHead(layer: Layer, parts: readonly Part[]): readonly Layer[] {
  if (parts.some(({ heads }) => heads === undefined)) return byRole(layer, parts);
  return parts.flatMap(({ role, rows, heads = 1 }) => {
    const name = role === undefined ? layer.name : `${layer.name}.${role}`;
    const size = rows.length / heads;
    return Array.from({ length: heads }, (_, head) =>
      part(layer, `${name}.h${head}`, rows.slice(head * size, (head + 1) * size)),
    );
  });
}

function part(layer: Layer, name: string, rows: readonly number[]): Layer {
  const outDim = rows.length;
  return { ...layer, name, outDim, params: outDim * layer.inDim, rows };
}

/** The parts of a linear layer's output on its way to attention; undefined where it is no projection. */
function partsOf(
  graph: ShapedGraph,
  readers: ReadonlyMap<string, readonly Node[]>,
  { op, uses, outDim, tiedTo }: Layer,
): readonly Part[] | undefined {
  const [use] = uses;
  if ((op !== 'Gemm' && op !== 'MatMul') || use === undefined || uses.length > 1) return undefined;
  if (tiedTo !== undefined || use.outputAxis !== typeOf(graph, use.output).shape.length - 1)
    return undefined;
  const node = firstCut(graph, readers, use.output);
  if (node === undefined || !reachesProduct(graph, readers, node.outputs)) return undefined;
  const all = range(0, outDim);
  if (node.op === 'Split') {
    const sizes = node.outputs.map((output) => typeOf(graph, output).shape.at(-1) ?? 0);
    const roles = rolesOf(sizes.length);
    if (roles === undefined) return undefined;
    let from = 0;
    return node.outputs.map((output, index) => {
      const rows = range(from, from + (sizes[index] ?? 0));
      from += rows.length;
      const cut = firstCut(graph, readers, output);
      const sides = cut?.op === 'Reshape' ? trailing(graph, cut) : [];
      return { role: roles[index], rows, heads: sides.length === 2 ? sides[0] : undefined };
    });
  }
  const sides = trailing(graph, node);
  if (sides.length === 2) return [{ role: undefined, rows: all, heads: sides[0] }];
  const [a = 0, b = 0, c = 0] = sides;
  if (sides.length !== 3 || (a !== 3 && b !== 3)) return undefined;
  // [3, heads, d], or heads outside: [heads, 3, d].
  const [heads, stride, step] = a === 3 ? [b, c, b * c] : [a, 3 * c, c];
  return ['q', 'k', 'v'].map((role, index) => {
    const begins = range(0, heads).map((head) => index * step + head * stride);
    return { role, rows: begins.flatMap((begin) => range(begin, begin + c)), heads };
  });
}

function rolesOf(count: number): readonly string[] | undefined {
  if (count === 3) return ['q', 'k', 'v'];
  return count === 2 ? ['k', 'v'] : undefined;
}

function range(from: number, to: number): number[] {
  return Array.from({ length: to - from }, (_, index) => from + index);
}

/** The first node that cuts the last axis in pieces, behind biases and reshapes of other axes. */
function firstCut(
  graph: ShapedGraph,
  readers: ReadonlyMap<string, readonly Node[]>,
  value: string,
): Node | undefined {
  const width = typeOf(graph, value).shape.at(-1);
  let at = value;
  for (;;) {
    const [node, ...others] = readers.get(at) ?? [];
    if (node === undefined || others.length > 0 || node.inputs[0] === undefined) return undefined;
    const shape = typeOf(graph, node.outputs[0] as string).shape;
    if (node.op === 'Split') return shape.at(-1) === width ? undefined : node;
    if (node.op === 'Reshape' && shape.at(-1) !== width) return node;
    const passes =
      ['Reshape', 'Identity', 'Cast', 'Unsqueeze', 'Squeeze'].includes(node.op) ||
      (node.op === 'Add' && node.inputs.some((input) => graph.initializers.has(input)));
    if (!passes || shape.at(-1) !== width) return undefined;
    at = node.outputs[0] as string;
  }
}

/** The axes that a Reshape makes of the last one; none where it does something else. */
function trailing(graph: ShapedGraph, node: Node): readonly number[] {
  const width = typeOf(graph, node.inputs[0] as string).shape.at(-1) ?? 0;
  const shape = typeOf(graph, node.outputs[0] as string).shape;
  let product = 1;
  for (let count = 1; count <= shape.length; count++) {
    product *= shape.at(-count) ?? 0;
    if (product === width) return shape.slice(-count);
    if (product > width) break;
  }
  return [];
}

/** Whether a product of two activations lies behind values, and no other layer before it. */
function reachesProduct(
  graph: ShapedGraph,
  readers: ReadonlyMap<string, readonly Node[]>,
  values: readonly string[],
): boolean {
  const seen = new Set(values);
  for (const value of seen) {
    for (const node of readers.get(value) ?? []) {
      if (node.op === 'MatMul' && !node.inputs.some((input) => graph.initializers.has(input)))
        return true;
      if (ON_THE_WAY.has(node.op)) for (const output of node.outputs) seen.add(output);
    }
  }
  return false;
}
