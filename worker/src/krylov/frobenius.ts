// Hutchinson's estimate of squared Frobenius norms, from products with random vectors.
import type { LinearAlgebra } from '../linalg/index.js';
import { type Estimate, estimateOf } from './estimate.js';
import { removeDirections } from './known-directions.js';
import { Purpose, signRows } from './random-rows.js';
import type { SymmetricOperator } from './symmetric-operator.js';

/**
 * Directions such as eigenvectors, whose part of the norms is computed, so that only the rest is
 * estimated, with a far smaller error where they carry much.
 */
export interface KnownDirections {
  /** Orthonormal rows [count, dim]. */
  readonly rows: Float64Array;
  readonly count: number;
  /** The images of rows [first, first + count) under each operator, [count, dim]. */
  images(first: number, count: number): Promise<readonly Float64Array[]>;
}

/** Products with vectors [count, dim] by several operators at once. */
export type Images = (vectors: Float64Array, count: number) => Promise<readonly Float64Array[]>;

export interface FrobeniusOptions {
  /** Random vectors. */
  readonly probes: number;
  readonly seed: bigint;
  /** Vectors multiplied at a time. */
  readonly block: number;
  readonly known?: KnownDirections;
  /** Told the number of vectors multiplied. */
  readonly onProgress?: (products: number) => void;
}

/** ||A||_F^2 of one operator; see `frobeniusNorms`. */
export async function frobeniusNorm(
  operator: SymmetricOperator,
  linalg: LinearAlgebra,
  options: FrobeniusOptions,
): Promise<Estimate> {
  const images: Images = async (vectors, count) => [await operator.apply(vectors, count)];
  const [estimate] = await frobeniusNorms(images, operator.dim, 1, linalg, options);
  return estimate ?? { value: 0, standardError: 0 };
}

/**
 * ||A||_F^2 of several operators from the same random vectors: with V the known rows and
 * P = I - V^T V, it is sum ||A v||^2 + E||A P z||^2, z of independent signs (Hutchinson 1990; the
 * projection: Meyer, Musco, Musco, Woodruff, "Hutch++", 2021).
 * @param operators how many images there are of a vector
 */
export async function frobeniusNorms(
  images: Images,
  dim: number,
  operators: number,
  linalg: LinearAlgebra,
  options: FrobeniusOptions,
): Promise<readonly Estimate[]> {
  const { probes, seed, block, known } = options;
  const exact = Array.from({ length: operators }, () => 0);
  const samples: number[][] = Array.from({ length: operators }, () => []);
  const directions = known?.count ?? 0;
  for (let first = 0; known !== undefined && first < directions; first += block) {
    const count = Math.min(block, directions - first);
    (await known.images(first, count)).forEach((rows, i) => {
      for (const square of squaredLengths(rows, count)) exact[i] = (exact[i] ?? 0) + square;
    });
  }
  if (directions >= dim) return exact.map((value) => ({ value, standardError: 0 }));
  for (let first = 0; first < probes; first += block) {
    const count = Math.min(block, probes - first);
    const vectors = signRows(seed, Purpose.probe, first, count, dim);
    if (known !== undefined)
      await removeDirections(linalg, vectors, count, known.rows, known.count);
    (await images(vectors, count)).forEach((rows, i) => {
      samples[i]?.push(...squaredLengths(rows, count));
    });
    options.onProgress?.(first + count);
  }
  return samples.map((values, i) => estimateOf(exact[i] ?? 0, values));
}

function squaredLengths(rows: Float64Array, count: number): number[] {
  const dim = rows.length / count;
  return Array.from({ length: count }, (_, i) => {
    let sum = 0;
    for (let at = i * dim; at < (i + 1) * dim; at++) {
      const value = rows[at] as number;
      sum += value * value;
    }
    return sum;
  });
}
