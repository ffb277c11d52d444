// The Gram matrix of a matrix, or of its symmetric result the upper triangle alone, in block rows.
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

/** sum over `length` of v v^T. @returns [features, features] */
export function emitMatrixGram(b: GraphBuilder, matrix: FeatureMatrix, part: GramPart): string {
  const { value, axis, features, length } = matrix;
  const product = (left: string, right: string) =>
    b.emit('Gemm', [left, right], axis === 1 ? { transA: int(1) } : { transB: int(1) });
  if (part === 'full' || features < LEAST_FEATURES || length < LEAST_LENGTH)
    return product(value, value);
  const slice = (from: number, to: number) =>
    b.emit('Slice', [value, b.ints([from]), b.ints([to]), b.ints([axis])]);
  const begins = Array.from({ length: BLOCKS }, (_, block) => {
    const begin = (features * block) / BLOCKS;
    return begin - (begin % ALIGNMENT);
  });
  const rows = begins.map((begin, block) => {
    const left = slice(begin, begins[block + 1] ?? features);
    const right = begin === 0 ? value : slice(begin, features);
    return b.emit('Pad', [product(left, right), b.ints([0, begin, 0, 0])], {});
  });
  return b.emit('Concat', rows, { axis: int(0) });
}
