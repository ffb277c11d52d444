// The lengths of vectors that hold shapes, as far as they follow from the file alone: they are the ranks of what is reshaped.
import { intAttribute } from './attributes.js';
import type { Graph, Node } from './graph.js';
import { tensorNumbers } from './tensor.js';

/** Elementwise ops between shapes. */
const KEEPS: ReadonlySet<string> = new Set(['Identity', 'Cast', 'Add', 'Sub', 'Mul', 'Div', 'Max']);

/**
 * The length of the vector that a node of the standard domain makes; undefined where it is none or is not known.
 * @param ranks of values before the node
 * @param lengths of vectors before the node, constant ones included
 */
export function lengthFrom(
  node: Node,
  graph: Graph,
  ranks: ReadonlyMap<string, number>,
  lengths: ReadonlyMap<string, number>,
): number | undefined {
  const [first = '', second = ''] = node.inputs;
  switch (node.op) {
    case 'Shape':
      return intAttribute(node, 'start', 0) === 0 && node.attributes.end === undefined
        ? ranks.get(first)
        : undefined;
    case 'Unsqueeze':
      return ranks.get(first) === 0 ? 1 : undefined;
    case 'Gather':
      return ranks.get(first) === 1 ? lengths.get(second) : undefined;
    case 'Slice':
      return slicedLength(node, graph, lengths.get(first));
    case 'Concat':
      return node.inputs.reduce<number | undefined>((sum, input) => {
        const length = lengths.get(input);
        return sum === undefined || length === undefined ? undefined : sum + length;
      }, 0);
    default:
      return KEEPS.has(node.op) ? longest(node.inputs, ranks, lengths) : undefined;
  }
}

/** Of vectors and scalars that are broadcast against each other. */
function longest(
  inputs: readonly string[],
  ranks: ReadonlyMap<string, number>,
  lengths: ReadonlyMap<string, number>,
): number | undefined {
  const vectors = inputs.filter((input) => ranks.get(input) !== 0);
  const known = vectors.map((input) => lengths.get(input));
  return vectors.length === 0 || known.includes(undefined)
    ? undefined
    : Math.max(...known.map((length) => length ?? 0));
}

/** Slice of a vector with constant bounds, in steps of 1. */
function slicedLength(
  { inputs }: Node,
  graph: Graph,
  length: number | undefined,
): number | undefined {
  const constant = (index: number) => {
    const held = graph.initializers.get(inputs[index] ?? '');
    return held === undefined ? undefined : tensorNumbers(held)[0];
  };
  const [from, to] = [constant(1), constant(2)];
  const steps = (inputs[4] ?? '') === '' ? 1 : constant(4);
  if (length === undefined || from === undefined || to === undefined || steps !== 1)
    return undefined;
  const place = (bound: number) =>
    Math.min(length, Math.max(0, bound < 0 ? bound + length : bound));
  return Math.max(0, place(to) - place(from));
}
