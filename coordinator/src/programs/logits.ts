// Finds the logits: the model's output, or what a final Softmax, LogSoftmax or Sigmoid is applied to.
import { BadInputError } from '@kronlens/proto';
import { producers, type ShapedGraph, typeOf } from '../graph/index.js';
import type { LossName } from './loss.js';

export interface Logits {
  readonly value: string;
  /** Outputs of one sample, c. */
  readonly outputs: number;
  /** Set where a final activation was left out, for the user to know. */
  readonly note: string | undefined;
}

/**
 * @param graph the model at batch size `batch`
 * @throws BadInputError when the output does not hold one row of numbers a sample
 */
export function findLogits(graph: ShapedGraph, batch: number): Logits {
  const output = graph.outputs[0];
  if (output === undefined) throw new BadInputError('no-output', 'the model has no output');
  const made = producers(graph);
  let value = output.name;
  let note: string | undefined;
  const last = made.get(value);
  if (last !== undefined && ['Softmax', 'LogSoftmax', 'Sigmoid'].includes(last.op)) {
    value = last.inputs[0] as string;
    note = `the model ends in ${last.op}; its input '${value}' is taken as the logits`;
  }
  const { dtype, shape } = typeOf(graph, value);
  if (dtype !== 'float32') {
    throw new BadInputError(
      'unsupported-precision',
      `the model's output '${value}' is ${dtype}; export the model in float32`,
    );
  }
  if (shape[0] !== batch || shape.length > 2) {
    throw new BadInputError(
      'bad-output-shape',
      `the model's output '${value}' has shape [${shape.join(', ')}] for ${batch} samples; one row of logits a sample is needed`,
    );
  }
  return { value, outputs: shape[1] ?? 1, note };
}

/** The loss that fits the number of outputs where the user names none. */
export function defaultLoss(outputs: number): LossName {
  return outputs === 1 ? 'bce' : 'cross-entropy';
}

/** @throws BadInputError for a loss that makes no sense on so many outputs */
export function checkLoss(loss: LossName, outputs: number): void {
  if (loss === 'cross-entropy' && outputs < 2) {
    throw new BadInputError(
      'bad-loss',
      `--loss cross-entropy needs at least 2 outputs, the model has ${outputs}; use --loss bce`,
    );
  }
}
