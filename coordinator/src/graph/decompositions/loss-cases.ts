// Small nodes of losses.
import { int, string } from '../attributes.js';
import { floatTensor, intTensor } from '../tensor.js';
import type { CompositeCase } from './composite-cases.js';

const targets = intTensor([2, 0, 1, 3, 3, 0], [2, 3]);
const weights = floatTensor([0.5, 2, 1, 0.25], [4]);
const logits = [2, 4, 3] as const;

export const LOSS_CASES: readonly CompositeCase[] = [
  { op: 'NegativeLogLikelihoodLoss', inputs: [logits, targets] },
  {
    op: 'NegativeLogLikelihoodLoss',
    what: 'weights, an ignored class, each',
    attributes: { reduction: string('none'), ignore_index: int(3) },
    inputs: [logits, targets, weights],
  },
  {
    op: 'SoftmaxCrossEntropyLoss',
    what: 'weighted mean, log-probabilities',
    attributes: { ignore_index: int(0) },
    inputs: [logits, targets, weights],
    outputs: [true, true],
  },
  {
    op: 'SoftmaxCrossEntropyLoss',
    what: 'sum, ignored targets outside of the classes',
    attributes: { reduction: string('sum'), ignore_index: int(-1) },
    inputs: [logits, intTensor([2, -1, 1, 3, -1, 0], [2, 3])],
  },
];
