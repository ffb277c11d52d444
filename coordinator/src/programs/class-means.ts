// Class and cross-class means: what the Jacobians of one layer are on average over the samples of a class.
import { type GraphBuilder, int, type ShapedGraph } from '../graph/index.js';
import type { BuiltProgram } from './built-program.js';
import { emitJacobian, emitJacobianNorm, type GgnShape, type SampleFactors } from './ggn.js';
import { emitSum } from './gram.js';
import { beginLayerProgram, type LayerProgramRequest } from './layer-program.js';
import { emitClasses, type LossInputs, type LossName } from './loss.js';
import { finishProgram } from './program-io.js';

export interface ClassMeansRequest extends LayerProgramRequest {
  readonly graph: ShapedGraph;
  /** Classes that labels tell apart. */
  readonly classes: number;
  /** Whether means of d logits / d W are summed too: classes * c numbers for each weight. */
  readonly weights: boolean;
  readonly name: string;
}

/**
 * A program of sums over samples, with Q [c, c] such that Q^T Q = d2 loss / d logits2 (of
 * cross-entropy diag(sqrt p)(I - 1 p^T)), Y [B, classes] the classes of the samples:
 * `class_count` [classes], `gamma` [classes, c, G * m] the mean over positions of Q d f / d z, and
 * `output_trace` [1], the trace of E[M]; with `weights` also `delta` [classes, c, d] of Q d f / d W
 * and `block_trace` [1] (Papyan 2019; arXiv 2010.04261, class and cross-class clustering).
 */
export function buildClassMeans(request: ClassMeansRequest): BuiltProgram {
  const { batch, layer, options, classes } = request;
  const begun = beginLayerProgram({ ...request, labelled: true });
  const { b, inputs, outputs, factors, lossInputs, weight } = begun;
  const { columns, groups, outDim, inDim } = factors.shape;
  const y = emitMembership(b, options.loss, lossInputs, classes, weight);
  const facts = { layer: layer.name, group: 0, symmetric: false, scale: 1 };
  const add = (kind: string, value: string, shape: readonly number[]) =>
    outputs.add(`layer0.${kind}`, b.reshape(value, shape), { ...facts, kind, shape });
  const perClass = (rows: string, width: number) =>
    b.emit('Gemm', [y, b.reshape(rows, [batch, width])], { transA: int(1) });
  const count = b.emit('ReduceSum', [y, b.ints([0])], { keepdims: int(0) });
  add('class_count', count, [classes]);
  const outer = groups * outDim;
  const gamma = perClass(emitMeanCotangent(b, factors, factors.shape), columns * outer);
  add('gamma', gamma, [classes, columns, outer]);
  add('output_trace', emitOutputTrace(b, factors, factors.shape), [1]);
  if (request.weights) {
    const dim = outer * inDim;
    const jacobian = emitJacobian(b, factors, factors.shape);
    add('delta', perClass(jacobian, columns * dim), [classes, columns, dim]);
    add('block_trace', emitJacobianNorm(b, jacobian), [1]);
  }
  return finishProgram(b, request.name, batch, inputs, outputs);
}

/** Y [B, classes], 0 for padded samples. */
function emitMembership(
  b: GraphBuilder,
  loss: LossName,
  inputs: LossInputs,
  classes: number,
  weight: string | undefined,
): string {
  const y = emitClasses(b, loss, inputs, classes);
  return weight === undefined ? y : b.emit('Mul', [y, b.reshape(weight, [inputs.batch, 1])]);
}

/** g, the mean over the positions of all uses, [B, C, G * m]. */
function emitMeanCotangent(
  b: GraphBuilder,
  { cotangents }: SampleFactors,
  shape: GgnShape,
): string {
  const { batch, columns, groups, outDim, positions } = shape;
  const all = positions.reduce((sum, count) => sum + count, 0);
  const sums = cotangents.map((g, use) => {
    const apart = [batch, columns, positions[use] ?? 1, groups * outDim];
    return b.emit('ReduceSum', [b.reshape(g, apart), b.ints([2])], { keepdims: int(0) });
  });
  return b.emit('Mul', [emitSum(b, sums), b.scalar(1 / all, 'float32')]);
}

/** The mean over positions of |g|^2, summed over samples and columns: [1]. */
function emitOutputTrace(b: GraphBuilder, { cotangents }: SampleFactors, shape: GgnShape): string {
  const all = shape.positions.reduce((sum, count) => sum + count, 0);
  const squares = cotangents.map((g) =>
    b.emit('ReduceSum', [b.emit('Mul', [g, g]), b.ints([0, 1, 2])], { keepdims: int(0) }),
  );
  return b.emit('Mul', [emitSum(b, squares), b.scalar(1 / all, 'float32')]);
}
