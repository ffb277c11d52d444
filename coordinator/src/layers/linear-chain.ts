// Finds the chain of linear layers and ReLUs that leads from a layer to the logits, where there is one.
import {
  consumers,
  elementCount,
  floatAttribute,
  intAttribute,
  type Node,
  type ShapedGraph,
  typeOf,
} from '../graph/index.js';
import { ancestors } from './downstream.js';
import type { Layer } from './layer.js';

/** A weight as a node of the chain multiplies by it. */
export interface ChainWeight {
  /** The initializer: [columns, rows] where `transposed`, else [rows, columns]. */
  readonly initializer: string;
  readonly transposed: boolean;
  /** Outputs and inputs of W [rows, columns]. */
  readonly rows: number;
  readonly columns: number;
}

/** What lies between a layer and the logits when it is nothing but W^(p+1), ..., W^(L), biases and ReLUs. */
export interface LinearChain {
  /** The last layer's, W^(L), first; none for the last layer itself. */
  readonly weights: readonly ChainWeight[];
  /** ReLUs on the way. */
  readonly relus: number;
}

/** Ops that lay a value out anew without moving an element. */
const RESHAPES = new Set(['Reshape', 'Flatten', 'Squeeze', 'Unsqueeze', 'Identity']);

/** @returns the chain, or why there is none, as a clause */
export function linearChain(
  graph: ShapedGraph,
  batch: number,
  { uses, groups, outDim }: Layer,
  logits: string,
): LinearChain | string {
  const [use] = uses;
  if (use === undefined || uses.length > 1) return 'its weight is used several times';
  if (use.positions > 1 || groups > 1)
    return `it has ${use.positions} positions a sample${groups > 1 ? ` and ${groups} groups` : ''}`;
  const readers = consumers(graph);
  const needed = ancestors(graph, logits);
  const weights: ChainWeight[] = [];
  let relus = 0;
  let width = outDim;
  let value = use.output;
  while (value !== logits) {
    const next = (readers.get(value) ?? []).filter(({ outputs }) =>
      outputs.some((output) => needed.has(output)),
    );
    const [node] = next;
    if (node === undefined) return 'the logits do not depend on it';
    if (next.length > 1)
      return `several nodes read its output (${next.map(({ name }) => `'${name}'`).join(', ')})`;
    const link = linkOf(graph, node, value, width);
    if (link === undefined) return `${node.op} '${node.name}' is between it and the logits`;
    if (link === 'relu') relus += 1;
    else if (link !== 'same') {
      weights.unshift(link);
      width = link.rows;
    }
    value = node.outputs[0] as string;
    if (elementCount(typeOf(graph, value).shape) !== batch * width)
      return `${node.op} '${node.name}' is between it and the logits`;
  }
  return { weights, relus };
}

/** What a node does to rows of `width` features; undefined where it is no part of a chain. */
function linkOf(
  graph: ShapedGraph,
  node: Node,
  value: string,
  width: number,
): ChainWeight | 'relu' | 'same' | undefined {
  if (node.domain !== '') return undefined;
  if (node.op === 'Relu') return 'relu';
  if (RESHAPES.has(node.op)) return node.inputs[0] === value ? 'same' : undefined;
  if (node.op === 'Add') {
    const other = node.inputs.find((input) => input !== value) ?? '';
    return graph.initializers.has(other) ? 'same' : undefined;
  }
  if (node.op !== 'Gemm' && node.op !== 'MatMul') return undefined;
  const [a, b = ''] = node.inputs;
  if (a !== value || !graph.initializers.has(b)) return undefined;
  const plain = floatAttribute(node, 'alpha', 1) === 1 && intAttribute(node, 'transA', 0) === 0;
  const shape = typeOf(graph, b).shape;
  const [first = 0, second = 0] = shape;
  const transposed = intAttribute(node, 'transB', 0) === 0;
  const [columns, rows] = transposed ? [first, second] : [second, first];
  if (!plain || shape.length !== 2 || columns !== width) return undefined;
  return { initializer: b, transposed, rows, columns };
}
