// Sums over samples and positions: Gram matrices and means of a batch of matrices.
import { type GraphBuilder, int, ints } from '../graph/index.js';
import { layoutOf, type MatrixBatch } from './layer-inputs.js';

/**
 * sum over samples and positions of x x^T, per group.
 * @returns [groups, features, features]
 */
export function emitGram(b: GraphBuilder, x: MatrixBatch): string {
  const { batch, groups, features, positions } = x;
  if (x.layout === 'rows') {
    const rows = b.reshape(x.value, [batch * positions, features]);
    return b.reshape(emitRowGram(b, rows), [1, features, features]);
  }
  if (x.layout === 'features') {
    if (groups > 1) {
      const transposed = b.emit('Transpose', [x.value], { perm: ints([0, 2, 1]) });
      return b.emit('MatMul', [x.value, transposed]);
    }
    const rows = b.reshape(x.value, [features, batch * positions]);
    return b.reshape(b.emit('Gemm', [rows, rows], { transB: int(1) }), [1, features, features]);
  }
  if (positions === 1 && groups === 1) {
    return b.reshape(emitRowGram(b, b.reshape(x.value, [batch, features])), [
      1,
      features,
      features,
    ]);
  }
  if (features <= positions) {
    // One small product a sample, then a sum: as fast as ONNX Runtime gets on many positions.
    const transposed = b.emit('Transpose', [x.value], { perm: ints([0, 1, 3, 2]) });
    const perSample = b.emit('MatMul', [x.value, transposed]);
    return b.emit('ReduceSum', [perSample, b.ints([0])], { keepdims: int(0) });
  }
  const gathered = b.reshape(b.emit('Transpose', [x.value], { perm: ints([1, 0, 3, 2]) }), [
    groups,
    batch * positions,
    features,
  ]);
  if (groups === 1) {
    return b.reshape(emitRowGram(b, b.reshape(gathered, [batch * positions, features])), [
      1,
      features,
      features,
    ]);
  }
  return b.emit('MatMul', [b.emit('Transpose', [gathered], { perm: ints([0, 2, 1]) }), gathered]);
}

/** R^T R of rows [r, n]. */
function emitRowGram(b: GraphBuilder, rows: string): string {
  return b.emit('Gemm', [rows, rows], { transA: int(1) });
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
