// The loss, its Hessian in the logits and the number of right answers, summed over a batch.
import { type GraphBuilder, int } from '../graph/index.js';
import type { CotangentSeed } from './backward.js';
import { emitCorrect, emitLoss, type LossInputs, type LossName } from './loss.js';
import type { ProgramOutputs } from './program-io.js';

/** Adds the outputs `loss` and, where there is one, `correct`: sums over the batch. */
export function emitLossSums(
  b: GraphBuilder,
  loss: LossName,
  inputs: LossInputs,
  weight: string | undefined,
  outputs: ProgramOutputs,
): void {
  const total = (value: string) =>
    b.emit(
      'ReduceSum',
      [weight === undefined ? value : b.emit('Mul', [value, weight]), b.ints([0])],
      {
        keepdims: { kind: 'int', value: 1 },
      },
    );
  const facts = { layer: '', group: 0, shape: [1], symmetric: false, scale: 1 };
  outputs.add('loss', total(emitLoss(b, loss, inputs)), { ...facts, kind: 'loss' });
  const correct = emitCorrect(b, loss, inputs);
  if (correct !== undefined) outputs.add('correct', total(correct), { ...facts, kind: 'correct' });
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
