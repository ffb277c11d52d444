// The loss and the number of right answers, summed over a batch.
import type { GraphBuilder } from '../graph/index.js';
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
