// Hutchinson's estimate of the norms of all blocks of an operator whose dimensions are cut into segments.
import { estimateOf } from './estimate.js';
import { Purpose, signRows } from './random-rows.js';
import type { SymmetricOperator } from './symmetric-operator.js';

export interface CrossNormOptions {
  /** Random vectors in each segment; 0: unit vectors, all of them, so that nothing is estimated. */
  readonly probes: number;
  readonly seed: bigint;
  /** Vectors multiplied at a time. */
  readonly block: number;
  /** Told the number of vectors multiplied. */
  readonly onProgress?: (products: number) => void;
}

/** Of the blocks between n segments, [n, n], symmetric. */
export interface CrossNorms {
  /** ||H_ab||_F^2. */
  readonly squares: Float64Array;
  /** Of the squares; 0 where nothing was left to chance. */
  readonly standardErrors: Float64Array;
}

/**
 * ||H_ab||_F^2 = E||H_ba z||^2, z of independent signs in segment a and zero elsewhere (Hutchinson 1990);
 * a product with z gives it for all b at once. Of two segments both directions are averaged.
 * @param sizes of the segments, one behind the other; their sum is the operator's dimension
 */
export async function crossNorms(
  operator: SymmetricOperator,
  sizes: readonly number[],
  { probes, seed, block, onProgress }: CrossNormOptions,
): Promise<CrossNorms> {
  const { dim } = operator;
  const n = sizes.length;
  const starts = sizes.map((_, i) => sizes.slice(0, i).reduce((sum, size) => sum + size, 0));
  if (sizes.reduce((sum, size) => sum + size, 0) !== dim)
    throw new RangeError(`segments of ${sizes.join(', ')} do not make an operator of ${dim}`);
  const oneWay = new Float64Array(n * n);
  const errors = new Float64Array(n * n);
  let products = 0;
  for (const [a, size] of sizes.entries()) {
    const count = probes === 0 ? size : probes;
    const samples: number[][] = sizes.map(() => []);
    for (let first = 0; first < count; first += block) {
      const rows = Math.min(block, count - first);
      const vectors = new Float64Array(rows * dim);
      const signs =
        probes === 0 ? undefined : signRows(seed, Purpose.cross, a * probes + first, rows, size);
      for (let row = 0; row < rows; row++) {
        const start = row * dim + (starts[a] ?? 0);
        if (signs === undefined) vectors[start + first + row] = 1;
        else vectors.set(signs.subarray(row * size, (row + 1) * size), start);
      }
      const images = await operator.apply(vectors, rows);
      for (let row = 0; row < rows; row++)
        for (const [b, length] of sizes.entries()) {
          const start = row * dim + (starts[b] ?? 0);
          samples[b]?.push(squaredLength(images.subarray(start, start + length)));
        }
      products += rows;
      onProgress?.(products);
    }
    for (const [b, values] of samples.entries()) {
      const at = a * n + b;
      if (probes === 0) oneWay[at] = values.reduce((sum, value) => sum + value, 0);
      else {
        const { value, standardError } = estimateOf(0, values);
        oneWay[at] = value;
        errors[at] = standardError;
      }
    }
  }
  return bothWays(oneWay, errors, n);
}

function bothWays(oneWay: Float64Array, errors: Float64Array, n: number): CrossNorms {
  const squares = new Float64Array(n * n);
  const standardErrors = new Float64Array(n * n);
  for (let a = 0; a < n; a++) {
    for (let b = 0; b < n; b++) {
      const [at, back] = [a * n + b, b * n + a];
      squares[at] = ((oneWay[at] as number) + (oneWay[back] as number)) / 2;
      standardErrors[at] =
        a === b
          ? (errors[at] as number)
          : Math.hypot(errors[at] as number, errors[back] as number) / 2;
    }
  }
  return { squares, standardErrors };
}

function squaredLength(vector: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < vector.length; i++) sum += (vector[i] as number) ** 2;
  return sum;
}
