// Attention as products, a mask and a softmax.
import { floatAttribute, int, intAttribute } from '../attributes.js';
import { ELEMENT_TYPE } from '../codec/format.js';
import { attentionBiases } from './attention-mask.js';
import { composed, type Decomposition, type NodeWriter } from './node-writer.js';

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
}

/** What an attention computes on its way, each [batch, heads, queries, keys] but for the last. */
export interface Attended {
  readonly products: string;
  readonly capped: string;
  readonly biased: string;
  readonly weights: string;
  /** softmax(scale Q K^T + biases) V, [batch, heads, queries, valueSize]. */
  readonly value: string;
}

/** Queries that may attend to no key at all (their biases are minus infinity) get zeros, and not NaN. */
export function attended(w: NodeWriter, heads: Heads, scores: Scores): Attended {
  const { query } = heads;
  const key = heads.grouped ? repeatedHeads(w, heads.key, query) : heads.key;
  const value = heads.grouped ? repeatedHeads(w, heads.value, query) : heads.value;
  const factor = scores.scale === undefined ? inverseRootSize(w, query) : w.number(scores.scale);
  const scaled = w.emit('Mul', [query, factor]);
  const products = w.emit('MatMul', [scaled, w.transpose(key, 0, 1, 3, 2)]);
  const cap = w.number(scores.softcap);
  const capped =
    scores.softcap === 0
      ? products
      : w.emit('Mul', [w.emit('Tanh', [w.emit('Div', [products, cap])]), cap]);
  const result = (biased: string, seen: string, hide: (weights: string) => string): Attended => {
    const weights = hide(w.emit('Softmax', [seen], { axis: int(-1) }));
    return { products, capped, biased, weights, value: w.emit('MatMul', [weights, value]) };
  };
  if (scores.biases.length === 0) return result(capped, capped, (weights) => weights);
  const bias = scores.biases.reduce((sum, one) => w.emit('Add', [sum, one]));
  const nowhere = fullyMasked(w, bias);
  const seen = w.emit('Add', [capped, w.emit('Where', [nowhere, w.number(0), bias])]);
  return result(w.emit('Add', [capped, bias]), seen, (weights) =>
    w.emit('Where', [nowhere, w.number(0), weights]),
  );
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

/** Attention 23 and newer, with inputs of rank 3 or 4 and, where given, keys and values of earlier tokens. */
const attention = composed((w, node) => {
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
  const biases = attentionBiases(w, query, key, {
    mask: w.input(3),
    causal: intAttribute(node, 'is_causal', 0) === 1,
    left: intAttribute(node, 'left_window_size', -1),
    right: intAttribute(node, 'right_window_size', -1),
    past: w.input(4),
    counted: w.input(6),
  });
  const scale = node.attributes.scale === undefined ? undefined : floatAttribute(node, 'scale', 1);
  const found = attended(
    w,
    { query, key, value, grouped: !flat || count !== keyCount },
    { scale, softcap: floatAttribute(node, 'softcap', 0), biases },
  );
  if (flat) mergeHeads(w, found.value);
  else w.result('Identity', [found.value]);
  w.result('Identity', [key], {}, 1);
  w.result('Identity', [value], {}, 2);
  const shown = [found.products, found.capped, found.biased, found.weights];
  const mode = intAttribute(node, 'qk_matmul_output_mode', 0);
  w.result('Identity', [shown[mode] ?? found.products], {}, 3);
});

/** Attention of the standard domain, by op. */
export const STANDARD_ATTENTION: readonly (readonly [string, Decomposition])[] = [
  ['Attention', attention],
];
