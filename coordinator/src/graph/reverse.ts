// The one reverse loop: pulls cotangents from outputs back to the values that are asked for.
import { reads } from './bodies.js';
import type { GraphBuilder } from './builder.js';
import type { Node, ShapedGraph } from './graph.js';
import { typeOf } from './graph.js';
import type { OpRule, VjpContext } from './ops/op-rule.js';
import { opRule } from './ops/table.js';
import { sumToShape } from './unbroadcast.js';
import { unsupportedAdvice } from './unsupported-advice.js';

/** An op without a rule lies between a wanted value and the output. */
export class UnsupportedOpError extends Error {
  readonly code = 'unsupported-op';
  readonly node: Node;
  readonly opset: number;
  constructor(node: Node, opset: number) {
    const op = node.domain === '' ? node.op : `${node.domain}.${node.op}`;
    const advice = unsupportedAdvice(op);
    super(`unsupported op ${op} in node '${node.name}' (opset ${opset})${advice}`);
    this.name = 'UnsupportedOpError';
    this.node = node;
    this.opset = opset;
  }
}

export interface PullBack {
  /** Forward graph whose nodes the builder holds. */
  readonly graph: ShapedGraph;
  readonly builder: GraphBuilder;
  /** Output values and their cotangents, each [columns, ...shape of the value]. */
  readonly seeds: ReadonlyMap<string, string>;
  readonly columns: number;
  /** Values whose cotangents are wanted. */
  readonly targets: readonly string[];
}

/**
 * Cotangents of the targets, each [columns, ...shape of the target]; a target that the seeds do
 * not depend on is absent from the map.
 * @throws UnsupportedOpError when a cotangent has to cross an op without a rule
 */
export function pullBack({
  graph,
  builder,
  seeds,
  columns,
  targets,
}: PullBack): ReadonlyMap<string, string> {
  const relevant = dependents(graph, new Set(targets));
  const parts = new Map<string, string[]>();
  for (const [value, cotangent] of seeds) if (relevant.has(value)) parts.set(value, [cotangent]);
  const wanted = new Set(targets);
  const found = new Map<string, string>();
  const settle = (value: string): string | undefined => {
    const pieces = parts.get(value);
    if (pieces === undefined) return undefined;
    const total = pieces.length === 1 ? (pieces[0] as string) : builder.emit('Sum', pieces);
    if (wanted.has(value)) found.set(value, total);
    return total;
  };
  for (const node of [...graph.nodes].reverse()) {
    const cotangents = node.outputs.map((output) => (output === '' ? undefined : settle(output)));
    if (cotangents.every((cotangent) => cotangent === undefined)) continue;
    if (!reads(node).some((value) => relevant.has(value))) continue;
    const rule = node.domain === '' ? opRule(node.op) : undefined;
    if (rule === undefined) throw new UnsupportedOpError(node, graph.opset);
    if (rule.vjp === 'constant') continue;
    const context = vjpContext(graph, builder, node, columns, relevant);
    const pulled = rule.vjp(context, cotangents);
    node.inputs.forEach((input, index) => {
      const cotangent = pulled[index];
      if (input === '' || cotangent === undefined || !relevant.has(input)) return;
      const shaped = unbroadcast(rule, graph, builder, node, input, cotangent);
      const list = parts.get(input);
      if (list === undefined) parts.set(input, [shaped]);
      else list.push(shaped);
    });
  }
  for (const target of targets) if (!found.has(target)) settle(target);
  return found;
}

/** The values that depend on any of `sources`, the sources themselves included. */
export function dependents(graph: ShapedGraph, sources: ReadonlySet<string>): ReadonlySet<string> {
  const reached = new Set(sources);
  for (const node of graph.nodes) {
    if (!reads(node).some((value) => reached.has(value))) continue;
    const rule = node.domain === '' ? opRule(node.op) : undefined;
    if (rule?.vjp === 'constant') continue;
    for (const output of node.outputs) if (output !== '') reached.add(output);
  }
  return reached;
}

function vjpContext(
  graph: ShapedGraph,
  builder: GraphBuilder,
  node: Node,
  columns: number,
  relevant: ReadonlySet<string>,
): VjpContext {
  return {
    node,
    columns,
    build: builder,
    type: (value) => typeOf(graph, value),
    constant: (value) => graph.initializers.get(value),
    wants: (index) => relevant.has(node.inputs[index] ?? ''),
    output: (index) => builder.forwardOutput(node, index),
  };
}

function unbroadcast(
  rule: OpRule,
  graph: ShapedGraph,
  builder: GraphBuilder,
  node: Node,
  input: string,
  cotangent: string,
): string {
  if (rule.broadcasts !== true) return cotangent;
  const from = typeOf(graph, node.outputs[0] as string).shape;
  return sumToShape(builder, cotangent, from, typeOf(graph, input).shape);
}
