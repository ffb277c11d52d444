// Whether two graphs compute the same function but for the contents of their initializers.
import type { Attribute, Node, ShapedGraph, Tensor } from './graph.js';
import { tensorNumbers } from './tensor.js';

export type StructureComparison =
  /** The second graph's initializer for each of the first one's. */
  | { readonly same: true; readonly initializers: ReadonlyMap<string, string> }
  /** The first difference, as a clause: what the first graph has, then the second. */
  | { readonly same: false; readonly difference: string };

class Difference extends Error {}
type Differ = (what: string, ours: string, theirs: string) => never;

/**
 * Follows both graphs node by node. Names do not count; ops, attributes, types and whole-number
 * constants, which are sizes and axes, do.
 * @param first and `second` at the same batch size
 * @param names of the graphs in the clause, for example paths
 */
export function compareStructure(
  first: ShapedGraph,
  second: ShapedGraph,
  names: readonly [string, string],
): StructureComparison {
  const pairs = new Map<string, string>();
  const initializers = new Map<string, string>();
  const differ: Differ = (what, ours, theirs) => {
    throw new Difference(`${what} ${ours} in ${names[0]} and ${theirs} in ${names[1]}`);
  };
  const match = (what: string, ours: string, theirs: string) => {
    if (ours === '' || theirs === '') {
      if (ours !== theirs) differ(what, presence(ours), presence(theirs));
      return;
    }
    const known = pairs.get(ours);
    if (known !== undefined && known !== theirs) differ(what, `'${ours}'`, `'${theirs}'`);
    const [type, other] = [shownType(first, ours), shownType(second, theirs)];
    if (type !== other) differ(what, `has type ${type}`, `type ${other}`);
    pairs.set(ours, theirs);
    const [constant, otherConstant] = [
      first.initializers.get(ours),
      second.initializers.get(theirs),
    ];
    if ((constant === undefined) !== (otherConstant === undefined))
      differ(what, isOrIsNot(constant), isOrIsNot(otherConstant));
    if (constant === undefined || otherConstant === undefined) return;
    initializers.set(ours, theirs);
    if (!constant.dtype.startsWith('float') && !sameBytes(constant, otherConstant))
      differ(what, `is ${contents(constant)}`, contents(otherConstant));
  };
  try {
    first.inputs.forEach(({ name }, index) => {
      match(`input '${name}'`, name, second.inputs[index]?.name ?? '');
    });
    for (const [index, node] of first.nodes.entries()) {
      const other = second.nodes[index];
      if (other === undefined || node.op !== other.op || node.domain !== other.domain)
        return differ(`node '${node.name}' is`, node.op, other?.op ?? 'absent');
      const what = `${node.op} '${node.name}'`;
      compareAttributes(node, other, (name, ours, theirs) =>
        differ(`attribute '${name}' of ${what} is`, ours, theirs),
      );
      const inputs = Math.max(node.inputs.length, other.inputs.length);
      for (let at = 0; at < inputs; at++)
        match(`input ${at + 1} of ${what}`, node.inputs[at] ?? '', other.inputs[at] ?? '');
      const outputs = Math.max(node.outputs.length, other.outputs.length);
      for (let at = 0; at < outputs; at++)
        match(`output ${at + 1} of ${what}`, node.outputs[at] ?? '', other.outputs[at] ?? '');
    }
    const more = second.nodes[first.nodes.length];
    if (more !== undefined) differ(`node '${more.name}' is`, 'absent', more.op);
    first.outputs.forEach(({ name }, index) => {
      match(`output '${name}'`, name, second.outputs[index]?.name ?? '');
    });
  } catch (error) {
    if (error instanceof Difference) return { same: false, difference: error.message };
    throw error;
  }
  return { same: true, initializers };
}

const presence = (value: string) => (value === '' ? 'is absent' : `is '${value}'`);
const isOrIsNot = (constant: Tensor | undefined) =>
  constant === undefined ? 'is computed' : 'is a constant';

function shownType(graph: ShapedGraph, value: string): string {
  const type = graph.types.get(value) ?? graph.initializers.get(value);
  return type === undefined ? 'unknown' : `${type.dtype}[${type.shape.join(', ')}]`;
}

/** Whole numbers, for people. */
function contents(constant: Tensor): string {
  const numbers = constant.dtype === 'string' ? [] : tensorNumbers(constant);
  return numbers.length > 8 ? `${constant.dtype} of other contents` : `[${numbers.join(', ')}]`;
}

function sameBytes(a: Tensor, b: Tensor): boolean {
  return Buffer.compare(a.bytes, b.bytes) === 0;
}

function compareAttributes(node: Node, other: Node, differ: Differ): void {
  const names = new Set([...Object.keys(node.attributes), ...Object.keys(other.attributes)]);
  for (const name of [...names].sort()) {
    const [ours, theirs] = [node.attributes[name], other.attributes[name]].map(shownAttribute);
    if (ours !== theirs) differ(name, ours ?? 'absent', theirs ?? 'absent');
  }
}

/** Bodies of control flow are not looked into. */
function shownAttribute(attribute: Attribute | undefined): string | undefined {
  if (attribute === undefined) return undefined;
  switch (attribute.kind) {
    case 'other':
      return '...';
    case 'tensor': {
      const { dtype, shape, bytes } = attribute.value;
      return `${dtype}[${shape.join(', ')}] ${Buffer.from(bytes).toString('hex')}`;
    }
    default:
      return String(attribute.value);
  }
}
