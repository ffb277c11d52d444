// What lies between a layer and the output: is it piecewise linear, is every op supported.
import { type Node, opRule, type ShapedGraph } from '../graph/index.js';

export interface Downstream {
  /** The output depends on the layer at all. */
  readonly reachesOutput: boolean;
  /** The output is a piecewise linear function of the layer's output. */
  readonly piecewiseLinear: boolean;
  /** Nodes without a rule that the layer's cotangent would have to cross. */
  readonly unsupported: readonly Node[];
  /** All values that depend on the layer's output, itself included. */
  readonly values: ReadonlySet<string>;
}

/**
 * Follows `source` to `output`.
 * @param needed values on some path to the output (see `ancestors`)
 */
export function downstream(
  graph: ShapedGraph,
  source: string,
  output: string,
  needed: ReadonlySet<string>,
): Downstream {
  const values = new Set([source]);
  const unsupported: Node[] = [];
  let piecewiseLinear = true;
  for (const node of graph.nodes) {
    const varies = node.inputs.map((input) => values.has(input));
    if (!varies.includes(true) || !node.outputs.some((value) => needed.has(value))) continue;
    const rule = node.domain === '' ? opRule(node.op) : undefined;
    if (rule === undefined) {
      unsupported.push(node);
      piecewiseLinear = false;
    } else if (rule.vjp === 'constant') {
      continue;
    } else {
      const linearity =
        typeof rule.linearity === 'function' ? rule.linearity(node, varies) : rule.linearity;
      if (linearity === 'smooth') piecewiseLinear = false;
    }
    for (const value of node.outputs) if (value !== '') values.add(value);
  }
  return { reachesOutput: values.has(output), piecewiseLinear, unsupported, values };
}

/** The values that `output` is computed from, itself included. */
export function ancestors(graph: ShapedGraph, output: string): ReadonlySet<string> {
  const needed = new Set([output]);
  for (const node of [...graph.nodes].reverse()) {
    if (!node.outputs.some((value) => needed.has(value))) continue;
    for (const input of node.inputs) needed.add(input);
  }
  return needed;
}
