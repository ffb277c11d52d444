// The losses: their output-Hessian columns, gradients, value and accuracy, as ONNX on the logits.
import { type GraphBuilder, int, tensor } from '../graph/index.js';

/**
 * Terminology. f are the logits of a sample, length c. A = d2 loss / d f2 is c x c. A *column
 * factor* is R [C, c] per sample with R^T R = A (exactly, or in expectation for Monte-Carlo draws).
 * Its rows, laid out [C, B, c], seed the reverse pass, so that sum_k g_k g_k^T = G^T A G.
 */
export type LossName = 'cross-entropy' | 'bce' | 'mse';

/** Which matrix takes A's place. */
export type ColumnKind =
  /** A itself, by a factor with as few rows as its rank. */
  | { readonly kind: 'exact' }
  /** `samples` seeded draws y ~ p(y | f) (Gaussian for mse); unbiased for A. */
  | { readonly kind: 'mc'; readonly samples: number }
  /** `samples` seeded +-1 combinations of the columns of a root of A; unbiased for A. */
  | { readonly kind: 'sketch'; readonly samples: number }
  /** A itself, by a factor with one row for each output: of cross-entropy diag(sqrt p)(I - 1 p^T). */
  | { readonly kind: 'classwise' }
  /** The outer product of the loss gradient at the true label: the empirical Fisher. */
  | { readonly kind: 'empirical' };

/** What a loss is computed from; the B rows are samples, or the tokens of all samples. */
export interface LossInputs {
  /** Logits [B, c]. */
  readonly logits: string;
  readonly batch: number;
  readonly outputs: number;
  /** Labels: int64 [B] for cross-entropy, float32 [B, c] otherwise; undefined when not given. */
  readonly labels: string | undefined;
  /** Random input [S, B, 1 or c] for Monte-Carlo draws and sketches. */
  readonly random: string | undefined;
}

/** What random numbers the draws of a loss consume, per row and draw. */
export function drawShape(
  loss: LossName,
  kind: ColumnKind,
  outputs: number,
): { distribution: 'uniform' | 'normal'; size: number } {
  if (kind.kind === 'sketch') return { distribution: 'uniform', size: outputs };
  if (loss === 'cross-entropy') return { distribution: 'uniform', size: 1 };
  return { distribution: loss === 'bce' ? 'uniform' : 'normal', size: outputs };
}

/** Number of columns C of one row of logits. */
export function rowColumns(loss: LossName, kind: ColumnKind, outputs: number): number {
  if (kind.kind === 'mc' || kind.kind === 'sketch') return kind.samples;
  if (kind.kind === 'classwise') return outputs;
  if (kind.kind === 'empirical') return 1;
  return lossRank(loss, outputs);
}

/** The rank of A: how many outliers are expected in the spectra of the model's Hessians. */
export function lossRank(loss: LossName, outputs: number): number {
  return loss === 'cross-entropy' ? outputs - 1 : outputs;
}

/** Emits the columns [C, B, c]. @throws when labels or random inputs that the kind needs are absent */
export function emitColumns(
  b: GraphBuilder,
  loss: LossName,
  kind: ColumnKind,
  inputs: LossInputs,
): string {
  if (kind.kind === 'empirical') return emitGradient(b, loss, inputs);
  if (kind.kind === 'mc') return emitDraws(b, loss, kind.samples, inputs);
  if (kind.kind === 'sketch') return emitSketch(b, loss, kind.samples, inputs);
  if (loss === 'cross-entropy')
    return kind.kind === 'classwise' ? emitSoftmaxRows(b, inputs) : emitStickBreaking(b, inputs);
  return emitDiagonal(b, loss, inputs);
}

/**
 * A = diag(p) - p p^T = sum_k d_k l_k l_k^T, k = 0..c-2 (LDL^T, "stick-breaking"), with the tail sums
 * r_k = sum_{j>k} p_j:  d_k = p_k r_k / (p_k + r_k),  l_k = e_k - sum_{j>k} (p_j / r_k) e_j.
 * No difference of nearly equal numbers occurs, so confident predictions keep their accuracy.
 */
function emitStickBreaking(b: GraphBuilder, { logits, batch, outputs: c }: LossInputs): string {
  const rank = c - 1;
  const p = b.emit('Softmax', [logits], { axis: int(-1) });
  const tail = b.emit('MatMul', [
    p,
    b.constant(
      tensor.floatTensor(
        triangle(c, rank, (j, k) => j > k),
        [c, rank],
      ),
    ),
  ]);
  const head = b.emit('Slice', [p, b.ints([0]), b.ints([rank]), b.ints([1])]);
  const tiny = b.scalar(1e-37, 'float32');
  const safeTail = b.emit('Max', [tail, tiny]);
  const stick = b.emit('Max', [b.emit('Add', [head, tail]), tiny]);
  const scale = b.emit('Sqrt', [b.emit('Mul', [head, b.emit('Div', [tail, stick])])]);
  // [B, c-1] -> [c-1, B, 1]
  const outermost = (value: string) =>
    b.reshape(b.emit('Transpose', [value], {}), [rank, batch, 1]);
  const later = b.constant(
    tensor.floatTensor(
      triangle(rank, c, (k, j) => j > k),
      [rank, 1, c],
    ),
  );
  const own = b.constant(
    tensor.floatTensor(
      triangle(rank, c, (k, j) => j === k),
      [rank, 1, c],
    ),
  );
  const shares = b.emit('Div', [b.emit('Mul', [p, later]), outermost(safeTail)]);
  return b.emit('Mul', [b.emit('Sub', [own, shares]), outermost(scale)]);
}

/** diag(sqrt p)(I - 1 p^T) [c, B, c]; 1 - p_j as a sum, so that confident predictions keep their accuracy. */
function emitSoftmaxRows(b: GraphBuilder, { logits, batch, outputs: c }: LossInputs): string {
  const p = b.emit('Softmax', [logits], { axis: int(-1) });
  const matrix = (shape: readonly number[], one: (row: number, column: number) => boolean) =>
    b.constant(tensor.floatTensor(triangle(c, c, one), shape));
  const others = b.emit('MatMul', [p, matrix([c, c], (j, k) => j !== k)]);
  const root = b.emit('Sqrt', [b.reshape(b.emit('Transpose', [p], {}), [c, batch, 1])]);
  const own = b.emit('Mul', [others, matrix([c, 1, c], (j, k) => j === k)]);
  const away = b.emit('Mul', [p, matrix([c, 1, c], (j, k) => j !== k)]);
  return b.emit('Mul', [b.emit('Sub', [own, away]), root]);
}

/**
 * float32 [B, classes]: 1 where the sample is of the class. The classes of cross-entropy, or no and yes of
 * a single logit.
 */
export function emitClasses(
  b: GraphBuilder,
  loss: LossName,
  inputs: LossInputs,
  classes: number,
): string {
  if (loss === 'cross-entropy') return emitOneHot(b, inputs);
  const labels = b.reshape(requireLabels(inputs), [inputs.batch, 1]);
  const yes = b.emit('Cast', [b.emit('Greater', [labels, b.scalar(0.5, 'float32')])], {
    to: int(1),
  });
  const no = b.emit('Sub', [b.scalar(1, 'float32'), yes]);
  if (classes !== 2) throw new Error('a single logit tells two classes apart');
  return b.emit('Concat', [no, yes], { axis: int(1) });
}

/** Row-major 0/1 matrix of a predicate. */
function triangle(
  rows: number,
  columns: number,
  one: (row: number, column: number) => boolean,
): number[] {
  return Array.from({ length: rows * columns }, (_, at) =>
    one(Math.floor(at / columns), at % columns) ? 1 : 0,
  );
}

/** mse (mean over outputs): A = (2/c) I. bce (mean over outputs): A = diag(s (1-s)) / c, s = sigmoid(f). */
function emitDiagonal(
  b: GraphBuilder,
  loss: LossName,
  { logits, batch, outputs: c }: LossInputs,
): string {
  const identity = triangle(c, c, (k, j) => k === j);
  const root = (factor: number) =>
    b.constant(
      tensor.floatTensor(
        identity.map((x) => x * Math.sqrt(factor / c)),
        [c, 1, c],
      ),
    );
  if (loss === 'mse') return b.emit('Expand', [root(2), b.ints([c, batch, c])]);
  return b.emit('Mul', [emitBernoulliDeviation(b, logits), root(1)]);
}

/** sqrt(s (1-s)), as sqrt(sigmoid(f) sigmoid(-f)). */
function emitBernoulliDeviation(b: GraphBuilder, logits: string): string {
  const negative = b.emit('Sigmoid', [b.emit('Neg', [logits])]);
  return b.emit('Sqrt', [b.emit('Mul', [b.emit('Sigmoid', [logits]), negative])]);
}

/**
 * R = s^T Q / sqrt(S) for S random vectors s of +-1, Q a root of A (Q^T Q = A), so that E[R^T R] = A.
 * For cross-entropy Q = diag(sqrt p) (I - 1 p^T) [c, c] (arXiv 2010.04261, section 2): a row is
 * sqrt(p) s - p <sqrt(p), s>. Nothing of size c x c is formed.
 */
function emitSketch(b: GraphBuilder, loss: LossName, samples: number, inputs: LossInputs): string {
  const { logits, outputs: c, random } = inputs;
  if (random === undefined) throw new Error('a sketch needs a random input');
  const heads = b.emit('GreaterOrEqual', [random, b.scalar(0.5, 'float32')]);
  const [plus, minus] = [1, -1].map((sign) => b.scalar(sign / Math.sqrt(samples), 'float32')) as [
    string,
    string,
  ];
  const signs = b.emit('Where', [heads, plus, minus]);
  if (loss === 'mse') return b.emit('Mul', [signs, b.scalar(Math.sqrt(2 / c), 'float32')]);
  if (loss === 'bce') {
    const deviation = b.emit('Mul', [
      emitBernoulliDeviation(b, logits),
      b.scalar(Math.sqrt(1 / c), 'float32'),
    ]);
    return b.emit('Mul', [signs, deviation]);
  }
  const p = b.emit('Softmax', [logits], { axis: int(-1) });
  const signed = b.emit('Mul', [signs, b.emit('Sqrt', [p])]);
  const total = b.emit('ReduceSum', [signed, b.ints([-1])], { keepdims: int(1) });
  return b.emit('Sub', [signed, b.emit('Mul', [p, total])]);
}

/** Draws (p - onehot(y)) with y ~ p, scaled so that the expectation of R^T R is A. */
function emitDraws(b: GraphBuilder, loss: LossName, samples: number, inputs: LossInputs): string {
  const { logits, outputs: c, random } = inputs;
  if (random === undefined) throw new Error('Monte-Carlo columns need a random input');
  if (loss === 'mse')
    return b.emit('Mul', [random, b.scalar(Math.sqrt(2 / c / samples), 'float32')]);
  if (loss === 'bce') {
    const s = b.emit('Sigmoid', [logits]);
    const drawn = b.emit('Cast', [b.emit('Less', [random, s])], { to: int(1) });
    return b.emit('Mul', [
      b.emit('Sub', [s, drawn]),
      b.scalar(1 / Math.sqrt(c * samples), 'float32'),
    ]);
  }
  const p = b.emit('Softmax', [logits], { axis: int(-1) });
  // The label is the number of cumulative sums, the last one left out, that the uniform reaches.
  const sums = b.emit('CumSum', [p, b.constant(tensor.intTensor([-1], []))]);
  const cumulative = b.emit('Slice', [sums, b.ints([0]), b.ints([c - 1]), b.ints([-1])]);
  const reached = b.emit('Cast', [b.emit('GreaterOrEqual', [random, cumulative])], { to: int(1) });
  const label = b.emit('ReduceSum', [reached, b.ints([2])], { keepdims: int(1) });
  const classes = b.constant(
    tensor.floatTensor(
      Array.from({ length: c }, (_, j) => j),
      [c],
    ),
  );
  const drawn = b.emit('Cast', [b.emit('Equal', [label, classes])], { to: int(1) });
  return b.emit('Mul', [b.emit('Sub', [p, drawn]), b.scalar(1 / Math.sqrt(samples), 'float32')]);
}

/** d loss / d f at the true label, [1, B, c]. */
export function emitGradient(b: GraphBuilder, loss: LossName, inputs: LossInputs): string {
  const { logits, batch, outputs: c } = inputs;
  const lead = (value: string) => b.reshape(value, [1, batch, c]);
  if (loss === 'cross-entropy') {
    return lead(
      b.emit('Sub', [b.emit('Softmax', [logits], { axis: int(-1) }), emitOneHot(b, inputs)]),
    );
  }
  const predicted = loss === 'bce' ? b.emit('Sigmoid', [logits]) : logits;
  const difference = b.emit('Sub', [predicted, requireLabels(inputs)]);
  return lead(b.emit('Mul', [difference, b.scalar((loss === 'mse' ? 2 : 1) / c, 'float32')]));
}

function requireLabels({ labels }: LossInputs): string {
  if (labels === undefined) throw new Error('this quantity needs labels');
  return labels;
}

/** float32 [B, c] from labels [B]. */
function emitOneHot(b: GraphBuilder, inputs: LossInputs): string {
  const classes = b.constant(tensor.intTensor(Array.from({ length: inputs.outputs }, (_, j) => j)));
  const column = b.reshape(requireLabels(inputs), [inputs.batch, 1]);
  return b.emit('Cast', [b.emit('Equal', [column, classes])], { to: int(1) });
}

/** Per-sample loss [B] (mean over outputs for bce and mse). */
export function emitLoss(b: GraphBuilder, loss: LossName, inputs: LossInputs): string {
  const { logits } = inputs;
  const labels = requireLabels(inputs);
  const over = (op: string, value: string) =>
    b.emit(op, [value, b.ints([1])], { keepdims: int(0) });
  if (loss === 'cross-entropy') {
    const logP = b.emit('LogSoftmax', [logits], { axis: int(-1) });
    return b.emit('Neg', [over('ReduceSum', b.emit('Mul', [logP, emitOneHot(b, inputs)]))]);
  }
  if (loss === 'mse') {
    const difference = b.emit('Sub', [logits, labels]);
    return over('ReduceMean', b.emit('Mul', [difference, difference]));
  }
  // softplus(f) - y f
  const softplus = b.emit('Softplus', [logits]);
  return over('ReduceMean', b.emit('Sub', [softplus, b.emit('Mul', [labels, logits])]));
}

/** float32 [B]: 1 where the prediction is right (all outputs' signs for bce); undefined for mse. */
export function emitCorrect(
  b: GraphBuilder,
  loss: LossName,
  inputs: LossInputs,
): string | undefined {
  const labels = requireLabels(inputs);
  if (loss === 'mse') return undefined;
  if (loss === 'cross-entropy') {
    const predicted = b.emit('ArgMax', [inputs.logits], { axis: int(1), keepdims: int(0) });
    return b.emit('Cast', [b.emit('Equal', [predicted, labels])], { to: int(1) });
  }
  const positive = b.emit('Greater', [inputs.logits, b.scalar(0, 'float32')]);
  const wanted = b.emit('Greater', [labels, b.scalar(0.5, 'float32')]);
  const same = b.emit('Cast', [b.emit('Equal', [positive, wanted])], { to: int(1) });
  return b.emit('ReduceMin', [same, b.ints([1])], { keepdims: int(0) });
}
