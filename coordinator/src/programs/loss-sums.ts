// The loss, its Hessian in the logits and the number of right answers, summed over a batch.
import { type GraphBuilder, int, tensor } from '../graph/index.js';
import type { CotangentSeed, SampleLossInputs } from './backward.js';
import type { FactorOptions } from './factor-options.js';
import { emitCorrect, emitLoss } from './loss.js';
import type { ProgramOutputs } from './program-io.js';

/**
 * Adds the outputs `loss` and, where there is one, `correct`: sums over the batch. With logits for
 * every token the loss is the sample's, `correct` counts tokens, and `tokens` is how many count.
 */
export function emitLossSums(
  b: GraphBuilder,
  { loss, tokens }: Pick<FactorOptions, 'loss' | 'tokens'>,
  inputs: SampleLossInputs,
  weight: string | undefined,
  outputs: ProgramOutputs,
): void {
  const ofRows = weight === undefined ? undefined : emitRowWeights(b, weight, tokens?.count ?? 1);
  const total = (value: string, factor?: string) => {
    const factors = [factor, ofRows].filter((each) => each !== undefined);
    const scaled = factors.reduce((product, each) => b.emit('Mul', [product, each]), value);
    return b.emit('ReduceSum', [scaled, b.ints([0])], { keepdims: { kind: 'int', value: 1 } });
  };
  const { counted, weights } = inputs.tokenWeights ?? {};
  const facts = { layer: '', group: 0, shape: [1], symmetric: false, scale: 1 };
  outputs.add('loss', total(emitLoss(b, loss, inputs), weights), { ...facts, kind: 'loss' });
  const correct = emitCorrect(b, loss, inputs);
  if (correct !== undefined)
    outputs.add('correct', total(correct, counted), { ...facts, kind: 'correct' });
  if (counted !== undefined) outputs.add('tokens', total(counted), { ...facts, kind: 'tokens' });
}

/** A weight a sample [B] for each of its rows, [B * rows]. */
function emitRowWeights(b: GraphBuilder, weight: string, rows: number): string {
  if (rows === 1) return weight;
  const apart = b.emit('Unsqueeze', [weight, b.ints([1])]);
  const ones = b.constant(tensor.floatTensor(new Float32Array(rows).fill(1), [1, rows]));
  return b.emit('Reshape', [b.emit('Mul', [apart, ones]), b.ints([-1])]);
}

/** Adds the output `loss_hessian` [c, c]: the sum over samples of A = R^T R. */
export function emitLossHessian(
  b: GraphBuilder,
  { seed, columns, lossInputs }: CotangentSeed,
  outputs: ProgramOutputs,
): void {
  const { batch, outputs: c } = lossInputs;
  const rows = b.reshape(seed, [columns * batch, c]);
  const gram = b.emit('Gemm', [rows, rows], { transA: int(1) });
  const facts = { layer: '', group: 0, shape: [c, c], symmetric: true, scale: 1 };
  outputs.add('loss_hessian', gram, { ...facts, kind: 'loss_hessian' });
}
