// Finds the logits: the model's output, or what a final Softmax, LogSoftmax or Sigmoid is applied to.
import { BadInputError } from '@kronlens/proto';
import { intAttribute, type Node, producers, type ShapedGraph, typeOf } from '../graph/index.js';
import type { LossName } from './loss.js';

export interface Logits {
  readonly value: string;
  /** Outputs of one sample, c; where every token has its logits, of one token. */
  readonly outputs: number;
  /** T of logits [B, T, c]; undefined where they are [B, c]. */
  readonly tokens: number | undefined;
  /** Set where a final activation was left out, for the user to know. */
  readonly note: string | undefined;
}

/**
 * @param graph the model at batch size `batch`
 * @throws BadInputError when the output holds neither one row of numbers a sample nor one a token
 */
export function findLogits(graph: ShapedGraph, batch: number): Logits {
  const output = graph.outputs[0];
  if (output === undefined) throw new BadInputError('no-output', 'the model has no output');
  const made = producers(graph);
  let value = output.name;
  let note: string | undefined;
  const last = made.get(value);
  if (last !== undefined && isFinalActivation(last, typeOf(graph, value).shape.length)) {
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
  if (shape[0] !== batch || shape.length > 3) {
    throw new BadInputError(
      'bad-output-shape',
      `the model's output '${value}' has shape [${shape.join(', ')}] for ${batch} samples; one row of logits a sample is needed, or [samples, tokens, classes]`,
    );
  }
  const tokens = shape.length === 3 ? shape[1] : undefined;
  return { value, outputs: shape[tokens === undefined ? 1 : 2] ?? 1, tokens, note };
}

/** Sigmoid, or a softmax over the last axis. */
function isFinalActivation(node: Node, rank: number): boolean {
  if (node.op === 'Sigmoid') return true;
  const axis = intAttribute(node, 'axis', -1);
  return ['Softmax', 'LogSoftmax'].includes(node.op) && (axis === -1 || axis === rank - 1);
}

/** The loss that fits the number of outputs where the user names none. */
export function defaultLoss({ outputs, tokens }: Logits): LossName {
  return outputs === 1 && tokens === undefined ? 'bce' : 'cross-entropy';
}

/** @throws BadInputError for a loss that makes no sense on so many outputs */
export function checkLoss(loss: LossName, { value, outputs, tokens }: Logits): void {
  if (loss !== 'cross-entropy' && tokens !== undefined) {
    throw new BadInputError(
      'bad-loss',
      `the model's output '${value}' has logits for each of ${tokens} tokens a sample; --loss ${loss} wants one row a sample, and --loss cross-entropy takes tokens`,
    );
  }
  if (loss === 'cross-entropy' && outputs < 2) {
    throw new BadInputError(
      'bad-loss',
      `--loss cross-entropy needs at least 2 outputs, the model has ${outputs}; use --loss bce`,
    );
  }
}
