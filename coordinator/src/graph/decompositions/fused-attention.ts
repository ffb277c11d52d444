// ONNX Runtime's own attentions, which its optimiser makes of exported transformers.
import { floatAttribute, int, intAttribute, intsAttribute } from '../attributes.js';
import { type Attended, attended, mergeHeads, splitHeads } from './attention.js';
import { attentionBiases } from './attention-mask.js';
import { composed, type Decomposition, type NodeWriter, NotRewritten } from './node-writer.js';

/** How both ops spell what is added to the scores. */
interface Masks {
  /** Which keys of a sample count, int32 [batch, keys], or ''. */
  readonly keys: string;
  /** Numbers, broadcast to [batch, heads, queries, keys], or ''. */
  readonly bias: string;
}

/** softmax(scale Q K^T + masks) V of values [batch, heads, tokens, size]. */
function masked(
  w: NodeWriter,
  { query, key, value }: Readonly<Record<'query' | 'key' | 'value', string>>,
  masks: Masks,
): Attended {
  const { node } = w;
  const biases = attentionBiases(w, query, key, {
    mask: masks.bias,
    causal: intAttribute(node, 'unidirectional', 0) === 1,
    left: -1,
    right: -1,
    past: '',
    counted: '',
  });
  if (masks.keys !== '') {
    if (w.rank(masks.keys) !== 2) throw new NotRewritten();
    const hidden = w.emit('Equal', [masks.keys, w.emit('CastLike', [w.integer(0), masks.keys])]);
    const filter = w.number(floatAttribute(node, 'mask_filter_value', -10000));
    biases.push(
      w.emit('Where', [w.emit('Unsqueeze', [hidden, w.ints(1, 2)]), filter, w.number(0)]),
    );
  }
  // 0 is the default, and stands for 1 / sqrt(size).
  const scale = floatAttribute(node, 'scale', 0);
  return attended(
    w,
    { query, key, value, grouped: false },
    { scale: scale === 0 ? undefined : scale, softcap: 0, biases },
  );
}

/** Queries, keys and values apart, each [batch, tokens, features]; nothing packed, nothing kept from earlier. */
const multiHeadAttention = composed((w, node) => {
  for (const index of [6, 7, 8, 9]) if (w.input(index) !== '') throw new NotRewritten();
  const heads = intAttribute(node, 'num_heads', 0);
  if (heads === 0) throw new NotRewritten();
  const given = [w.required(0), w.required(1), w.required(2)];
  if (given.some((value) => w.rank(value) !== 3)) throw new NotRewritten();
  const bias = w.input(3);
  // Queries and keys are as wide as each other; the values have what remains of the bias.
  const parts =
    bias === ''
      ? undefined
      : w.emitMany(
          'Split',
          [
            bias,
            w.emit(
              'Concat',
              given.map((value) => w.sizes(value, 2)),
              { axis: int(0) },
            ),
          ],
          { axis: int(0) },
          3,
        );
  const [query = '', key = '', value = ''] = given.map((projected, index) => {
    const shift = parts?.[index];
    return splitHeads(
      w,
      shift === undefined ? projected : w.emit('Add', [projected, shift]),
      heads,
    );
  });
  mergeHeads(w, masked(w, { query, key, value }, { keys: w.input(4), bias: w.input(5) }).value);
  w.result('Identity', [key], {}, 1);
  w.result('Identity', [value], {}, 2);
});

/** One product makes queries, keys and values of the input [batch, tokens, features]. */
const fusedAttention = composed((w, node) => {
  if (w.input(4) !== '' || w.input(6) !== '' || w.has(1)) throw new NotRewritten();
  if (intAttribute(node, 'do_rotary', 0) !== 0) throw new NotRewritten();
  const heads = intAttribute(node, 'num_heads', 0);
  const sizes = intsAttribute(node, 'qkv_hidden_sizes') ?? [];
  const product = w.emit('MatMul', [w.required(0), w.required(1)]);
  const projected = w.input(2) === '' ? product : w.emit('Add', [product, w.input(2)]);
  const parts =
    sizes.length === 3
      ? w.emitMany('Split', [projected, w.ints(...sizes)], { axis: int(-1) }, 3)
      : w.emitMany('Split', [projected], { axis: int(-1), num_outputs: int(3) }, 3);
  const [query = '', key = '', value = ''] = parts.map((part) => splitHeads(w, part, heads));
  mergeHeads(w, masked(w, { query, key, value }, { keys: w.input(3), bias: w.input(5) }).value);
});

/** Attentions of com.microsoft, by op. */
export const RUNTIME_ATTENTION: readonly (readonly [string, Decomposition])[] = [
  ['MultiHeadAttention', multiHeadAttention],
  ['Attention', fusedAttention],
];
