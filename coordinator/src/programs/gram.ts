// Sums over samples and positions: Gram matrices and means of a batch of matrices.
import { type GraphBuilder, int, ints } from '../graph/index.js';
import { layoutOf, type MatrixBatch } from './layer-inputs.js';
import { emitMatrixGram, type FeatureMatrix, type GramPart } from './matrix-gram.js';

/**
 * sum over samples and positions, and over `xs`, of x x^T, per group.
 * @param xs of equally many groups and features, at least one
 * @param part `upper` may leave zeros below the diagonal
 * @returns [groups, features, features]
 */
export function emitGram(
  b: GraphBuilder,
  xs: readonly MatrixBatch[],
  part: GramPart = 'full',
): string {
  const matrices = xs.flatMap((x) => asMatrix(b, x) ?? []);
  if (matrices.length < xs.length)
    return emitSum(
      b,
      xs.map((x) => emitOneGram(b, x, part)),
    );
  const features = xs[0]?.features ?? 0;
  return b.reshape(emitMatrixGram(b, matrices, part), [1, features, features]);
}

/** The batch as one matrix, where samples and positions can be taken together at no cost. */
function asMatrix(b: GraphBuilder, x: MatrixBatch): FeatureMatrix | undefined {
  const { batch, groups, features, positions } = x;
  const length = batch * positions;
  if (groups > 1) return undefined;
  if (x.layout === 'features')
    return { value: b.reshape(x.value, [features, length]), axis: 0, features, length };
  if (x.layout === 'columns' && positions > 1) return undefined;
  return { value: b.reshape(x.value, [length, features]), axis: 1, features, length };
}

function emitOneGram(b: GraphBuilder, x: MatrixBatch, part: GramPart): string {
  const { batch, groups, features, positions } = x;
  const matrix = asMatrix(b, x);
  if (matrix !== undefined)
    return b.reshape(emitMatrixGram(b, [matrix], part), [1, features, features]);
  if (x.layout === 'features') {
    const transposed = b.emit('Transpose', [x.value], { perm: ints([0, 2, 1]) });
    return b.emit('MatMul', [x.value, transposed]);
  }
  if (features <= positions) {
    // One small product a sample, then a sum: as fast as ONNX Runtime gets on many positions.
    const transposed = b.emit('Transpose', [x.value], { perm: ints([0, 1, 3, 2]) });
    const perSample = b.emit('MatMul', [x.value, transposed]);
    return b.emit('ReduceSum', [perSample, b.ints([0])], { keepdims: int(0) });
  }
  const length = batch * positions;
  const gathered = b.reshape(b.emit('Transpose', [x.value], { perm: ints([1, 0, 3, 2]) }), [
    groups,
    length,
    features,
  ]);
  if (groups > 1)
    return b.emit('MatMul', [b.emit('Transpose', [gathered], { perm: ints([0, 2, 1]) }), gathered]);
  const value = b.reshape(gathered, [length, features]);
  const gram = emitMatrixGram(b, [{ value, axis: 1, features, length }], part);
  return b.reshape(gram, [1, features, features]);
}

/** sum over samples and positions of x: [groups, features]. */
export function emitTotal(b: GraphBuilder, x: MatrixBatch): string {
  const axes = { rows: [0, 1], columns: [0, 3], features: [2] }[x.layout];
  const total = b.emit('ReduceSum', [x.value, b.ints(axes)], { keepdims: int(0) });
  return b.reshape(total, [x.groups, x.features]);
}

/** Sums (or, with a factor, averages) over the positions of each sample. */
export function emitReduced(
  b: GraphBuilder,
  x: MatrixBatch,
  factor: string | undefined,
): MatrixBatch {
  const { apart, positionAxis } = layoutOf(x);
  const reduced = { ...x, positions: 1 };
  const sum =
    x.positions === 1
      ? x.value
      : b.reshape(
          b.emit('ReduceSum', [b.reshape(x.value, apart), b.ints([positionAxis])], {
            keepdims: int(0),
          }),
          layoutOf(reduced).shape,
        );
  return { ...reduced, value: factor === undefined ? sum : b.emit('Mul', [sum, factor]) };
}

/** Adds values of equal shape. */
export function emitSum(b: GraphBuilder, values: readonly string[]): string {
  return values.length === 1 ? (values[0] as string) : b.emit('Sum', values);
}
