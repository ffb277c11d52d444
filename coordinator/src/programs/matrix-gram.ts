// The Gram matrix of matrices, or of its symmetric result the upper triangle alone, in block rows.
import { type GraphBuilder, int } from '../graph/index.js';

/** Which entries of a symmetric matrix are wanted; `upper` may leave zeros below the diagonal. */
export type GramPart = 'full' | 'upper';

/** A matrix: its features lie along `axis`, what is summed over along the other, `length` long. */
export interface FeatureMatrix {
  readonly value: string;
  readonly axis: 0 | 1;
  readonly features: number;
  readonly length: number;
}

/** Smaller matrices are multiplied whole: the blocks' products would be too small to be fast. */
const LEAST_FEATURES = 256;
/** Where little is summed over, the time goes into writing the result, not into products. */
const LEAST_LENGTH = 256;
/** With four, 5/8 of the products remain; with more, hardly less time was measured. */
const BLOCKS = 4;
/** Blocks begin at a multiple of this, so that kernels find whole vectors. */
const ALIGNMENT = 16;

/**
 * sum over `length`, and over the matrices, of v v^T.
 * @param matrices of equally many features, at least one
 * @returns [features, features]
 */
export function emitMatrixGram(
  b: GraphBuilder,
  matrices: readonly FeatureMatrix[],
  part: GramPart,
): string {
  const features = matrices[0]?.features ?? 0;
  const long = matrices.every(({ length }) => length >= LEAST_LENGTH);
  const gram =
    part === 'full' || features < LEAST_FEATURES || !long
      ? emitProducts(b, matrices, 0, features, 0)
      : emitBlockRows(b, matrices, features);
  return b.shaped(gram, [features, features]);
}

function emitBlockRows(
  b: GraphBuilder,
  matrices: readonly FeatureMatrix[],
  features: number,
): string {
  const begins = Array.from({ length: BLOCKS }, (_, block) => {
    const begin = (features * block) / BLOCKS;
    return begin - (begin % ALIGNMENT);
  });
  const rows = begins.map((begin, block) => {
    const products = emitProducts(b, matrices, begin, begins[block + 1] ?? features, begin);
    return begin === 0 ? products : b.emit('Pad', [products, b.ints([0, begin, 0, 0])], {});
  });
  return b.emit('Concat', rows, { axis: int(0) });
}

/** Rows [from, to) and columns from `left` on of the Gram matrix: each product is added to the last. */
function emitProducts(
  b: GraphBuilder,
  matrices: readonly FeatureMatrix[],
  from: number,
  to: number,
  left: number,
): string {
  const part = ({ value, axis, features }: FeatureMatrix, begin: number, end: number) =>
    begin === 0 && end === features
      ? value
      : b.emit('Slice', [value, b.ints([begin]), b.ints([end]), b.ints([axis])]);
  let sum: string | undefined;
  for (const matrix of matrices) {
    const sides = [part(matrix, from, to), part(matrix, left, matrix.features)];
    const transposed = matrix.axis === 1 ? { transA: int(1) } : { transB: int(1) };
    sum = b.emit('Gemm', sum === undefined ? sides : [...sides, sum], transposed);
  }
  if (sum === undefined) throw new Error('there is no matrix');
  return sum;
}
