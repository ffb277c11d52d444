// The loss of models with logits for every token: which tokens count and how much, and what that makes of the columns.
import { type GraphBuilder, int, tensor } from '../graph/index.js';
import type { ColumnKind } from './loss.js';

/**
 * The loss of a sample with T tokens is sum_t w_t loss(f_t, y_t). A token counts unless its label is
 * the ignored one; without labels all count. The Hessian of the loss in the logits of all tokens is
 * block-diagonal with blocks w_t A_t.
 */
export interface TokenLoss {
  /** T, tokens of a sample. */
  readonly count: number;
  /** mean: w_t = 1 / number of tokens of the sample that count; sum: w_t = 1. */
  readonly reduction: 'mean' | 'sum';
  /** Tokens with this label do not count. */
  readonly ignoreIndex: number;
}

/** Float32 values [B * T]. */
export interface TokenWeights {
  /** 1 where the token counts, else 0. */
  readonly counted: string;
  /** w_t, 0 where the token does not count. */
  readonly weights: string;
}

export interface TokenLabels {
  /** int64 [B * T], class 0 where the token does not count; undefined without labels. */
  readonly labels: string | undefined;
  readonly weights: TokenWeights;
}

/** @param labels int64 [B, T] */
export function emitTokenLabels(
  b: GraphBuilder,
  { count, reduction, ignoreIndex }: TokenLoss,
  batch: number,
  labels: string | undefined,
): TokenLabels {
  const rows = batch * count;
  if (labels === undefined) {
    const constant = (value: number) =>
      b.constant(tensor.floatTensor(new Float32Array(rows).fill(value), [rows]));
    const weights = constant(reduction === 'mean' ? 1 / count : 1);
    return { labels: undefined, weights: { counted: constant(1), weights } };
  }
  const int64 = (value: number) => b.constant(tensor.intTensor([value], []));
  const ignored = b.emit('Equal', [labels, int64(ignoreIndex)]);
  const [zero, one] = [b.scalar(0, 'float32'), b.scalar(1, 'float32')];
  const counted = b.emit('Where', [ignored, zero, one]);
  const flat = (value: string) => b.reshape(value, [rows]);
  let weights = counted;
  if (reduction === 'mean') {
    const total = b.emit('ReduceSum', [counted, b.ints([1])], { keepdims: int(1) });
    // A sample without any token that counts has no loss.
    weights = b.emit('Div', [counted, b.emit('Max', [total, one])]);
  }
  return {
    labels: flat(b.emit('Where', [ignored, int64(0), labels])),
    weights: { counted: flat(counted), weights: flat(weights) },
  };
}

/**
 * The columns of all tokens' logits from those of each token on its own. Draws are independent from
 * token to token, so that one column serves all tokens of a sample: its cross terms vanish in
 * expectation. Columns of A itself must stay apart: T times as many, each about one token.
 * @param columns R [C, B * T, c]
 * @returns [C, B, T * c] for draws, else [T * C, B, T * c], times sqrt(w_t)
 */
export function emitTokenSeed(
  b: GraphBuilder,
  columns: string,
  shape: {
    readonly kind: ColumnKind;
    readonly batch: number;
    readonly tokens: number;
    readonly outputs: number;
  },
  { weights }: TokenWeights,
): string {
  const { kind, batch, tokens, outputs } = shape;
  const roots = b.reshape(b.emit('Sqrt', [weights]), [batch * tokens, 1]);
  const weighted = b.emit('Mul', [columns, roots]);
  const drawn = kind.kind === 'mc' || kind.kind === 'sketch';
  if (drawn) return b.reshape(weighted, [kind.samples, batch, tokens * outputs]);
  const perToken = b.reshape(weighted, [1, -1, batch, tokens, outputs]);
  const diagonal = Array.from({ length: tokens ** 2 }, (_, at) =>
    at % (tokens + 1) === 0 ? 1 : 0,
  );
  const own = b.constant(tensor.floatTensor(diagonal, [tokens, 1, 1, tokens, 1]));
  return b.reshape(b.emit('Mul', [perToken, own]), [-1, batch, tokens * outputs]);
}
