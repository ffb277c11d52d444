// Losses of the standard domain as picked log-probabilities, weighted, summed or averaged.
import { int, intAttribute, stringAttribute } from '../attributes.js';
import { composed, type Decomposition, type NodeWriter } from './node-writer.js';

/**
 * -weight[t] logProbabilities[t] at each target t, over the classes on axis 1; 0 where targets are ignored.
 * The mean is over the weights that count.
 * @param logProbabilities [batch, classes, ...]
 */
function negativeLogLikelihood(w: NodeWriter, logProbabilities: string): void {
  const { node } = w;
  const target = w.required(1);
  const reduction = stringAttribute(node, 'reduction', 'mean');
  const like = (value: number) => w.emit('CastLike', [w.integer(value), target]);
  const ignored =
    node.attributes.ignore_index === undefined
      ? undefined
      : w.emit('Equal', [target, like(intAttribute(node, 'ignore_index', 0))]);
  const index = ignored === undefined ? target : w.emit('Where', [ignored, like(0), target]);
  const picked = w.emit(
    'GatherElements',
    [logProbabilities, w.emit('Unsqueeze', [index, w.ints(1)])],
    { axis: int(1) },
  );
  const losses = w.emit('Neg', [w.emit('Squeeze', [picked, w.ints(1)])]);
  const weights = w.input(2) === '' ? undefined : w.emit('Gather', [w.input(2), index]);
  const one = () =>
    w.emit('Expand', [w.emit('CastLike', [w.number(1), losses]), w.emit('Shape', [index])]);
  const counted = (value: string) =>
    ignored === undefined ? value : w.emit('Where', [ignored, w.number(0), value]);
  if (weights === undefined && ignored === undefined) {
    if (reduction === 'none') w.result('Identity', [losses]);
    else w.result(reduction === 'sum' ? 'ReduceSum' : 'ReduceMean', [losses], { keepdims: int(0) });
    return;
  }
  const total = counted(weights ?? one());
  const weighted = w.emit('Mul', [losses, total]);
  if (reduction === 'none') w.result('Identity', [weighted]);
  else if (reduction === 'sum') w.result('ReduceSum', [weighted], { keepdims: int(0) });
  else {
    const sum = (value: string) => w.emit('ReduceSum', [value], { keepdims: int(0) });
    w.result('Div', [sum(weighted), sum(total)]);
  }
}

/** Losses of the standard domain, by op. */
export const STANDARD_LOSSES: readonly (readonly [string, Decomposition])[] = [
  ['NegativeLogLikelihoodLoss', composed((w) => negativeLogLikelihood(w, w.required(0)))],
  [
    'SoftmaxCrossEntropyLoss',
    composed((w) => {
      const logProbabilities = w.emit('LogSoftmax', [w.required(0)], { axis: int(1) });
      negativeLogLikelihood(w, logProbabilities);
      w.result('Identity', [logProbabilities], {}, 1);
    }),
  ],
];
