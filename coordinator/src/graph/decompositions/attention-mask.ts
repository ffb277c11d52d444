// Which key each query of an attention may attend to, as numbers that are added to the scores.
import { int } from '../attributes.js';
import { intTensor } from '../tensor.js';
import { type NodeWriter, NotRewritten } from './node-writer.js';

export interface Masking {
  /** Numbers or booleans, broadcast to [batch, heads, queries, keys]; '' for none. */
  readonly mask: string;
  readonly causal: boolean;
  /** How far a query sees before and after itself; negative for without end. */
  readonly left: number;
  readonly right: number;
  /** Keys of earlier tokens, [batch, heads, tokens, size], or ''. */
  readonly past: string;
  /** How many keys of each sample count, int64 [batch], or ''; the queries are the last of them. */
  readonly counted: string;
}

/**
 * Biases for the scores, each broadcast to [batch, heads, queries, keys]: minus infinity where a query must not look.
 * @param query [batch, heads, queries, size]
 * @param key [batch, heads, keys, size], with those of earlier tokens
 */
export function attentionBiases(
  w: NodeWriter,
  query: string,
  key: string,
  masking: Masking,
): string[] {
  const { left, right, counted } = masking;
  const mask = counted === '' || masking.mask === '' ? masking.mask : widened(w, masking.mask, key);
  const boolean = mask !== '' && w.dtypeOf(masking.mask) === 'bool';
  const allowed = boolean ? [mask] : [];
  const keys = positions(w, key);
  const place = () => queryPlaces(w, query, masking);
  if (masking.causal) allowed.push(w.emit('LessOrEqual', [keys, place()]));
  if (left >= 0) {
    const before = w.emit('Sub', [place(), keys]);
    allowed.push(w.emit('LessOrEqual', [before, w.integer(left)]));
  }
  if (right >= 0) {
    const after = w.emit('Sub', [keys, place()]);
    allowed.push(w.emit('LessOrEqual', [after, w.integer(right)]));
  }
  if (counted !== '') allowed.push(w.emit('Less', [keys, perSample(w, counted)]));
  const [first, ...rest] = allowed;
  const biases = mask === '' || boolean ? [] : [mask];
  if (first === undefined) return biases;
  const all = rest.reduce((a, b) => w.emit('And', [a, b]), first);
  return [...biases, w.emit('Where', [all, w.number(0), w.number(-Infinity)])];
}

/** 0, 1, ... up to the number of tokens, int64 [tokens]. */
function positions(w: NodeWriter, value: string): string {
  const count = w.emit('Squeeze', [w.sizes(value, 2), w.ints(0)]);
  return w.emit('Range', [w.integer(0), count, w.integer(1)]);
}

/** The places of the queries among the keys, int64 [queries, 1], or [batch, 1, queries, 1]. */
function queryPlaces(w: NodeWriter, query: string, { past, counted }: Masking): string {
  const rows = w.emit('Unsqueeze', [positions(w, query), w.ints(1)]);
  if (past !== '') return w.emit('Add', [rows, w.sizes(past, 2)]);
  if (counted === '') return rows;
  const before = w.emit('Sub', [perSample(w, counted), w.sizes(query, 2)]);
  return w.emit('Add', [rows, before]);
}

/** [batch] to [batch, 1, 1, 1]. */
function perSample(w: NodeWriter, value: string): string {
  return w.reshape(value, -1, 1, 1, 1);
}

/** A mask for the first keys alone, with the others masked. */
function widened(w: NodeWriter, mask: string, key: string): string {
  const rank = w.rank(mask);
  if (rank === undefined) throw new NotRewritten();
  const missing = w.emit('Sub', [w.sizes(key, 2), w.sizes(mask, rank - 1)]);
  const none = w.constant(intTensor(Array<number>(2 * rank - 1).fill(0)));
  const pads = w.emit('Concat', [none, missing], { axis: int(0) });
  const fill =
    w.dtypeOf(mask) === 'bool'
      ? w.constant({ dtype: 'bool', shape: [], bytes: Uint8Array.of(0) })
      : w.number(-Infinity);
  return w.emit('Pad', [mask, pads, fill]);
}
