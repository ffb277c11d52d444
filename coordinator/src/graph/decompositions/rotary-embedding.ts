// Rotary position embedding: pairs of features are turned by an angle that grows with the position.
import { int, intAttribute } from '../attributes.js';
import { composed, type Decomposition, type NodeWriter } from './node-writer.js';

interface Rotation {
  /** [batch, tokens, heads, size]. */
  readonly x: string;
  /** [batch, tokens, 1, pairs], or a batch of 1. */
  readonly cos: string;
  readonly sin: string;
  /** Pairs are neighbours; else the halves of the features make the pairs. */
  readonly interleaved: boolean;
  /** How many features are turned; 0 is all. */
  readonly turned: number;
}

/** @returns [batch, tokens, heads, size] */
function rotated(w: NodeWriter, { x, cos, sin, interleaved, turned }: Rotation): string {
  const front = turned === 0 ? x : w.slice(x, 3, 0, turned);
  const pairs = interleaved
    ? w.reshape(front, 0, 0, 0, -1, 2)
    : w.emit('Reshape', [
        front,
        w.emit('Concat', [w.ints(0, 0, 0, 2), w.sizes(cos, -1)], { axis: int(0) }),
      ]);
  const axis = interleaved ? 4 : 3;
  const part = (index: number) => w.emit('Gather', [pairs, w.integer(index)], { axis: int(axis) });
  const [a, b] = [part(0), part(1)];
  const real = w.emit('Sub', [w.emit('Mul', [a, cos]), w.emit('Mul', [b, sin])]);
  const imaginary = w.emit('Add', [w.emit('Mul', [a, sin]), w.emit('Mul', [b, cos])]);
  const parts = interleaved
    ? [real, imaginary].map((value) => w.emit('Unsqueeze', [value, w.ints(4)]))
    : [real, imaginary];
  const joined = w.emit('Concat', parts, { axis: int(interleaved ? 4 : 3) });
  const flat = interleaved ? w.reshape(joined, 0, 0, 0, -1) : joined;
  if (turned === 0) return flat;
  return w.emit('Concat', [flat, w.slice(x, 3, turned, 2 ** 31)], { axis: int(3) });
}

/**
 * @param positions index of the input that holds position ids, '' where the caches are per token
 * @param caches indices of the inputs that hold cosines and sines
 */
function rotary(w: NodeWriter, positions: string, caches: readonly [number, number]): void {
  const x = w.required(0);
  const heads = intAttribute(w.node, 'num_heads', 0);
  const flat = heads > 0 && w.rank(x) !== 4;
  const cache = (index: number) => {
    const value = w.required(index);
    const rows = positions === '' ? value : w.emit('Gather', [value, positions]);
    return w.emit('Unsqueeze', [rows, w.ints(-2)]);
  };
  const result = rotated(w, {
    x: flat ? w.reshape(x, 0, 0, heads, -1) : w.transpose(x, 0, 2, 1, 3),
    cos: cache(caches[0]),
    sin: cache(caches[1]),
    interleaved: intAttribute(w.node, 'interleaved', 0) === 1,
    turned: intAttribute(w.node, 'rotary_embedding_dim', 0),
  });
  if (flat) w.result('Reshape', [result, w.ints(0, 0, -1)]);
  else w.result('Transpose', [result], { perm: { kind: 'ints', value: [0, 2, 1, 3] } });
}

/** RotaryEmbedding 23: x, cosines, sines, positions. */
const rotaryEmbedding = composed((w) => rotary(w, w.input(3), [1, 2]));

/** Rotary embeddings of the standard domain, by op. */
export const STANDARD_ROTARY: readonly (readonly [string, Decomposition])[] = [
  ['RotaryEmbedding', rotaryEmbedding],
];
