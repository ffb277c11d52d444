// Attention as products, a mask and a softmax.
import { floatAttribute, int, intAttribute } from '../attributes.js';
import { ELEMENT_TYPE } from '../codec/format.js';
import { composed, type Decomposition, type NodeWriter, NotRewritten } from './node-writer.js';

/** Queries, keys and values of all heads. */
export interface Heads {
  /** [batch, heads, queries, size]. */
  readonly query: string;
  /** [batch, keyHeads, keys, size]; every keyHead serves heads / keyHeads heads in a row. */
  readonly key: string;
  /** [batch, keyHeads, keys, valueSize]. */
  readonly value: string;
  /** Whether there may be fewer key heads than heads. */
  readonly grouped: boolean;
}

export interface Scores {
  /** What products are multiplied by; undefined is 1 / sqrt(size). */
  readonly scale: number | undefined;
  /** Scores are squashed to (-softcap, softcap); 0 is off. */
  readonly softcap: number;
  /** Values that are added to the scores, each broadcast to [batch, heads, queries, keys]. */
  readonly biases: readonly string[];
  /** Whether queries that may attend to no key at all (all biases minus infinity) get zeros, and not NaN. */
  readonly zeroWhereMasked?: boolean;
}

/** softmax(scale Q K^T + biases) V. @returns [batch, heads, queries, valueSize] */
export function attended(w: NodeWriter, heads: Heads, scores: Scores): string {
  const { query } = heads;
  const key = heads.grouped ? repeatedHeads(w, heads.key, query) : heads.key;
  const value = heads.grouped ? repeatedHeads(w, heads.value, query) : heads.value;
  const factor = scores.scale === undefined ? inverseRootSize(w, query) : w.number(scores.scale);
  const scaled = w.emit('Mul', [query, factor]);
  let products = w.emit('MatMul', [scaled, w.transpose(key, 0, 1, 3, 2)]);
  if (scores.softcap !== 0) {
    const cap = w.number(scores.softcap);
    products = w.emit('Mul', [w.emit('Tanh', [w.emit('Div', [products, cap])]), cap]);
  }
  if (scores.zeroWhereMasked !== true || scores.biases.length === 0) {
    for (const bias of scores.biases) products = w.emit('Add', [products, bias]);
    const weights = w.emit('Softmax', [products], { axis: int(-1) });
    return w.emit('MatMul', [weights, value]);
  }
  const bias = scores.biases.reduce((sum, one) => w.emit('Add', [sum, one]));
  const nowhere = fullyMasked(w, bias);
  products = w.emit('Add', [products, w.emit('Where', [nowhere, w.number(0), bias])]);
  const weights = w.emit('Softmax', [products], { axis: int(-1) });
  return w.emit('MatMul', [w.emit('Where', [nowhere, w.number(0), weights]), value]);
}

/** Whether a row of biases is minus infinity throughout, in the shape of the biases. */
function fullyMasked(w: NodeWriter, bias: string): string {
  const most = w.emit('ReduceMax', [bias, w.ints(-1)], { keepdims: int(1) });
  const along = w.emit('Expand', [most, w.emit('Shape', [bias])]);
  return w.emit('Equal', [along, w.number(-Infinity)]);
}

/** 1 / sqrt(size) of the last of four axes. */
function inverseRootSize(w: NodeWriter, query: string): string {
  const size = w.emit('Squeeze', [w.sizes(query, 3), w.ints(0)]);
  const number = w.emit('Cast', [size], { to: int(ELEMENT_TYPE[w.dtype()]) });
  return w.emit('Reciprocal', [w.emit('Sqrt', [number])]);
}

/** [batch, keyHeads, keys, size] to as many heads as the query has, each repeated in place. */
function repeatedHeads(w: NodeWriter, value: string, query: string): string {
  const [batch, all, rest] = [w.sizes(value, 0), w.sizes(query, 1), w.sizes(value, 2, 3)];
  const own = w.sizes(value, 1);
  const times = w.emit('Div', [all, own]);
  const apart = w.emit('Unsqueeze', [value, w.ints(2)]);
  const spread = w.emit('Concat', [batch, own, times, rest], { axis: int(0) });
  const together = w.emit('Concat', [batch, all, rest], { axis: int(0) });
  return w.emit('Reshape', [w.emit('Expand', [apart, spread]), together]);
}

/** [batch, tokens, heads * size] to [batch, heads, tokens, size]. */
export function splitHeads(w: NodeWriter, value: string, heads: number): string {
  return w.transpose(w.reshape(value, 0, 0, heads, -1), 0, 2, 1, 3);
}

/** [batch, heads, tokens, size] to the result [batch, tokens, heads * size]. */
export function mergeHeads(w: NodeWriter, value: string): void {
  w.result('Reshape', [w.transpose(value, 0, 2, 1, 3), w.ints(0, 0, -1)]);
}

/** 0 where a condition holds, minus infinity (or another number) elsewhere. */
export function allowedWhere(w: NodeWriter, condition: string, otherwise = -Infinity): string {
  return w.emit('Where', [condition, w.number(0), w.number(otherwise)]);
}

/** The condition that key j <= query i + offset, [queries, keys]; offset an int64 scalar or ''. */
export function causal(w: NodeWriter, query: string, key: string, offset: string): string {
  const range = (value: string) => {
    const count = w.emit('Squeeze', [w.sizes(value, 2), w.ints(0)]);
    return w.emit('Range', [w.integer(0), count, w.integer(1)]);
  };
  const rows = w.emit('Unsqueeze', [range(query), w.ints(1)]);
  const last = offset === '' ? rows : w.emit('Add', [rows, offset]);
  return w.emit('GreaterOrEqual', [last, range(key)]);
}

/** Attention 23 with inputs of rank 3 or 4 and, where given, keys and values of earlier tokens. */
const attention = composed((w, node) => {
  if (w.input(6) !== '') throw new NotRewritten();
  if (w.has(3)) throw new NotRewritten();
  for (const side of ['left_window_size', 'right_window_size'])
    if (intAttribute(node, side, -1) >= 0) throw new NotRewritten();
  const count = intAttribute(node, 'q_num_heads', 0);
  const keyCount = intAttribute(node, 'kv_num_heads', count);
  const flat = count > 0;
  const split = (index: number, heads: number) =>
    flat ? splitHeads(w, w.required(index), heads) : w.required(index);
  const joined = (past: number, value: string) =>
    w.input(past) === '' ? value : w.emit('Concat', [w.input(past), value], { axis: int(2) });
  const query = split(0, count);
  const key = joined(4, split(1, keyCount));
  const value = joined(5, split(2, keyCount));
  const biases: string[] = [];
  const mask = w.input(3);
  if (mask !== '') biases.push(w.dtypeOf(mask) === 'bool' ? allowedWhere(w, mask) : mask);
  if (intAttribute(node, 'is_causal', 0) === 1) {
    const past = w.input(4) === '' ? '' : w.sizes(w.input(4), 2);
    biases.push(allowedWhere(w, causal(w, query, key, past)));
  }
  const scale = node.attributes.scale === undefined ? undefined : floatAttribute(node, 'scale', 1);
  const result = attended(
    w,
    { query, key, value, grouped: !flat || count !== keyCount },
    { scale, softcap: floatAttribute(node, 'softcap', 0), biases, zeroWhereMasked: true },
  );
  if (flat) mergeHeads(w, result);
  else w.result('Identity', [result]);
  w.result('Identity', [key], {}, 1);
  w.result('Identity', [value], {}, 2);
});

/** Attention of the standard domain, by op. */
export const STANDARD_ATTENTION: readonly (readonly [string, Decomposition])[] = [
  ['Attention', attention],
];
