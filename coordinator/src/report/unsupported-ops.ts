// The ops of a model that have no rule, with how many nodes there are of each and which layers they block.
import { unsupportedAdvice } from '../graph/index.js';
import type { Discovery } from '../layers/layer.js';

export interface UnsupportedOp {
  readonly op: string;
  /** Nodes of the op that layers' cotangents would have to cross. */
  readonly count: number;
  /** Names of the layers, in the graph's order of their first mention. */
  readonly blocks: readonly string[];
}

/** By op, the one that blocks most layers first. */
export function unsupportedOps({ unsupported }: Pick<Discovery, 'unsupported'>): UnsupportedOp[] {
  const ops = [...new Set(unsupported.map(({ op }) => op))].map((op) => {
    const nodes = unsupported.filter((node) => node.op === op);
    return { op, count: nodes.length, blocks: [...new Set(nodes.flatMap(({ blocks }) => blocks))] };
  });
  return ops.sort((a, b) => b.blocks.length - a.blocks.length);
}

/** One line an op. */
export function renderUnsupported(discovery: Pick<Discovery, 'unsupported'>): readonly string[] {
  return unsupportedOps(discovery).map(
    ({ op, count, blocks }) =>
      `unsupported op ${op}: ${count} ${count === 1 ? 'node' : 'nodes'}, between the output and ${blocks.join(', ')}${unsupportedAdvice(op)}`,
  );
}
