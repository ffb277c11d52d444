// Einsum as transpositions and matrix products, so that its weights are found like those of any layer.
import { int, ints, stringAttribute } from '../attributes.js';
import { ELEMENT_TYPE } from '../codec/format.js';
import { composed, type Decomposition, type NodeWriter, NotRewritten } from './node-writer.js';

/** A value whose axes are called by letters, each letter once where not said otherwise. */
interface Term {
  readonly value: string;
  readonly labels: readonly string[];
}

/** The equation taken apart: letters per operand, where one may occur twice, and of the result. */
interface Equation {
  readonly operands: readonly (readonly string[])[];
  readonly result: readonly string[];
}

/** Letters that stand for the axes of an ellipsis, counted from its end. */
const ellipsisLabel = (fromEnd: number) => `.${fromEnd}`;

/**
 * @param ranks of the operands; needed only where the equation has an ellipsis
 * @returns undefined for equations that are refused: a letter twice in the result
 */
export function parseEquation(
  equation: string,
  ranks: readonly (number | undefined)[],
): Equation | undefined {
  const [left = '', right] = equation.replaceAll(' ', '').split('->');
  const operands: (readonly string[])[] = [];
  let widest = 0;
  for (const [index, text] of left.split(',').entries()) {
    const letters = [...text.replace('...', '')];
    const rank = ranks[index];
    if (text.includes('...') && rank === undefined) return undefined;
    const wide = text.includes('...') ? (rank ?? 0) - letters.length : 0;
    widest = Math.max(widest, wide);
    operands.push(expanded(text, wide));
  }
  const result = expanded(right ?? implicitResult(left), widest);
  return new Set(result).size < result.length ? undefined : { operands, result };
}

function expanded(text: string, wide: number): readonly string[] {
  const [before = '', after] = text.split('...');
  if (after === undefined) return [...before];
  const middle = Array.from({ length: wide }, (_, index) => ellipsisLabel(wide - 1 - index));
  return [...before, ...middle, ...after];
}

/** Without an arrow: the ellipsis, then the letters that occur once, in alphabetical order. */
function implicitResult(left: string): string {
  const letters = [...left.replaceAll('...', '').replaceAll(',', '')];
  const single = letters.filter(
    (letter) => letters.indexOf(letter) === letters.lastIndexOf(letter),
  );
  return `${left.includes('...') ? '...' : ''}${single.sort().join('')}`;
}

const einsum: Decomposition = composed((w, node) => {
  const text = stringAttribute(node, 'equation', '');
  const equation = parseEquation(
    text,
    node.inputs.map((input) => w.rank(input)),
  );
  if (equation === undefined) throw new NotRewritten();
  const terms = node.inputs.map(
    (value, index): Term => diagonal(w, { value, labels: equation.operands[index] ?? [] }),
  );
  let [current, ...rest] = terms as [Term, ...Term[]];
  while (rest.length > 0) {
    const [next, ...others] = rest as [Term, ...Term[]];
    const wanted = new Set([...equation.result, ...others.flatMap(({ labels }) => labels)]);
    current = product(w, summed(w, current, new Set([...wanted, ...next.labels])), next, wanted);
    rest = others;
  }
  const final = arranged(w, summed(w, current, new Set(equation.result)), equation.result);
  w.result('Identity', [final]);
});

/** The diagonal of a term along axes that are called alike: what is beside it is masked, and one axis summed. */
function diagonal(w: NodeWriter, term: Term): Term {
  const { labels } = term;
  const second = labels.findIndex((label, axis) => labels.indexOf(label) < axis);
  if (second < 0) return term;
  const first = labels.indexOf(labels[second] ?? '');
  const others = [...labels.keys()].filter((axis) => axis !== first && axis !== second);
  const moved = w.transpose(term.value, ...others, first, second);
  const square = w.emit('ConstantOfShape', [w.sizes(term.value, first, second)]);
  const unit = w.emit('Cast', [w.emit('EyeLike', [square])], { to: int(ELEMENT_TYPE[w.dtype()]) });
  const masked = w.emit('Mul', [moved, unit]);
  const value = w.emit('ReduceSum', [masked, w.ints(others.length)], { keepdims: int(0) });
  const kept = [...others, second].map((axis) => labels[axis] ?? '');
  return diagonal(w, { value, labels: kept });
}

/** The term summed over letters that nothing wants any more. */
function summed(w: NodeWriter, term: Term, wanted: ReadonlySet<string>): Term {
  const axes = term.labels.flatMap((label, axis) => (wanted.has(label) ? [] : [axis]));
  if (axes.length === 0) return term;
  const value = w.emit('ReduceSum', [term.value, w.ints(...axes)], {
    keepdims: int(0),
  });
  return { value, labels: term.labels.filter((label) => wanted.has(label)) };
}

/** The term with its axes in another order; letters that it lacks become axes of size 1. */
function arranged(w: NodeWriter, term: Term, order: readonly string[]): string {
  const present = order.filter((label) => term.labels.includes(label));
  const permutation = present.map((label) => term.labels.indexOf(label));
  const moved = permutation.every((axis, index) => axis === index)
    ? term.value
    : w.emit('Transpose', [term.value], { perm: ints(permutation) });
  const missing = order.flatMap((label, axis) => (present.includes(label) ? [] : [axis]));
  return missing.length === 0 ? moved : w.emit('Unsqueeze', [moved, w.ints(...missing)]);
}

/**
 * The product of two terms, summed over the letters that only they have: a matrix product
 * [...stack, rows, inner] [...stack, inner, columns], where the stack has the letters of both that
 * stay. A weight goes to the right; without a stack the rows keep their axes.
 */
function product(w: NodeWriter, first: Term, second: Term, wanted: ReadonlySet<string>): Term {
  const isWeight = ({ value }: Term) => w.initializer(value) !== undefined;
  const [a, given] = isWeight(first) && !isWeight(second) ? [second, first] : [first, second];
  const b = summed(w, given, new Set([...wanted, ...a.labels]));
  // Axes of an ellipsis may be 1 on one side: they are broadcast, thus never merged with others.
  const ellipsis = [...a.labels, ...b.labels].filter(isEllipsis).sort(fromFront);
  const shared = a.labels.filter((label) => b.labels.includes(label));
  const stack = [...new Set([...ellipsis, ...shared.filter((label) => wanted.has(label))])];
  const inner = shared.filter((label) => !stack.includes(label));
  const alone = (label: string) => !stack.includes(label) && !inner.includes(label);
  const [rows, columns] = [a.labels.filter(alone), b.labels.filter(alone)];
  const apart = stack.length === 0;
  const each = (labels: readonly string[]) => labels.map((label) => [label]);
  const left = grouped(w, a, [...each(stack), ...(apart ? each(rows) : [rows]), inner]);
  const right = grouped(w, b, [...each(stack), inner, columns]);
  const value = w.emit('MatMul', [left, right]);
  const labels = [...stack, ...rows, ...columns];
  if (columns.length === 1 && (apart || rows.length === 1)) return { value, labels };
  const kept = [...stack, ...(apart ? rows : [])].map(() => 0);
  const shape = joined(w, [
    ...(kept.length === 0 ? [] : [w.ints(...kept)]),
    ...(apart || rows.length === 0 ? [] : [sizesOf(w, a, rows)]),
    ...(columns.length === 0 ? [] : [sizesOf(w, b, columns)]),
  ]);
  return { value: w.emit('Reshape', [value, shape]), labels };
}

function isEllipsis(label: string): boolean {
  return label.startsWith('.');
}

/** Axes of an ellipsis from its front. */
function fromFront(a: string, b: string): number {
  return Number(b.slice(1)) - Number(a.slice(1));
}

/** The term with one axis per group of letters, in this order; an empty group has size 1. */
function grouped(w: NodeWriter, term: Term, groups: readonly (readonly string[])[]): string {
  const ordered = arranged(w, term, groups.flat());
  if (groups.every((group) => group.length === 1)) return ordered;
  const same = groups.findIndex((group) => group.length !== 1);
  const parts = groups.map((group, index) => {
    if (index < same) return w.ints(0);
    if (group.length === 0) return w.ints(1);
    const sizes = sizesOf(w, term, group);
    if (group.length === 1) return sizes;
    return w.emit('ReduceProd', [sizes, w.ints(0)], { keepdims: int(1) });
  });
  return w.emit('Reshape', [ordered, joined(w, parts)]);
}

function sizesOf(w: NodeWriter, term: Term, labels: readonly string[]): string {
  return w.sizes(term.value, ...labels.map((label) => term.labels.indexOf(label)));
}

function joined(w: NodeWriter, parts: readonly string[]): string {
  const [only] = parts;
  if (only === undefined) return w.ints();
  return parts.length === 1 ? only : w.emit('Concat', parts, { axis: int(0) });
}

/** Einsum, by op. */
export const STANDARD_EINSUM: readonly (readonly [string, Decomposition])[] = [['Einsum', einsum]];
