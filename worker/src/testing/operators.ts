// Symmetric operators for tests: dense matrices, spectra made to order, products with rounding errors.
import { normalRows } from '../krylov/random-rows.js';
import type { SymmetricOperator } from '../krylov/symmetric-operator.js';

/** The operator of a matrix [dim, dim]. */
export function denseOperator(matrix: Float64Array, dim: number): SymmetricOperator {
  return {
    dim,
    apply: async (vectors, count) => {
      const images = new Float64Array(count * dim);
      for (let i = 0; i < count; i++) {
        for (let row = 0; row < dim; row++) {
          let sum = 0;
          for (let j = 0; j < dim; j++) {
            sum += (matrix[row * dim + j] as number) * (vectors[i * dim + j] as number);
          }
          images[i * dim + row] = sum;
        }
      }
      return images;
    },
  };
}

/** Reflections that turn the axes of a diagonal matrix into directions without a pattern. */
const REFLECTIONS = 3;

/** An operator with the given eigenvalues, and eigenvectors that a seed determines. */
export function operatorWithSpectrum(values: ArrayLike<number>, seed = 5n): SymmetricOperator {
  const dim = values.length;
  const normals = normalRows(seed, 7, 0, REFLECTIONS, dim);
  const mirrors = Array.from({ length: REFLECTIONS }, (_, i) => {
    const normal = normals.subarray(i * dim, (i + 1) * dim);
    const length = Math.hypot(...normal);
    return normal.map((value) => value / length);
  });
  const reflect = (vector: Float64Array, mirror: Float64Array) => {
    const part = vector.reduce((sum, value, i) => sum + value * (mirror[i] as number), 0);
    for (let i = 0; i < dim; i++) {
      vector[i] = (vector[i] as number) - 2 * part * (mirror[i] as number);
    }
  };
  return {
    dim,
    apply: async (vectors, count) => {
      const images = vectors.slice(0, count * dim);
      for (let row = 0; row < count; row++) {
        const image = images.subarray(row * dim, (row + 1) * dim);
        for (const mirror of mirrors) reflect(image, mirror);
        for (let i = 0; i < dim; i++) image[i] = (image[i] as number) * (values[i] as number);
        for (const mirror of mirrors.toReversed()) reflect(image, mirror);
      }
      return images;
    },
  };
}

/** An operator whose images of unit vectors are off by random vectors of a length, new ones each time. */
export function noisyOperator(exact: SymmetricOperator, length: number): SymmetricOperator {
  const { dim } = exact;
  let calls = 0;
  return {
    dim,
    apply: async (vectors, count) => {
      const images = await exact.apply(vectors, count);
      calls += 1;
      const errors = normalRows(BigInt(calls), 8, 0, count, dim);
      const size = length / Math.sqrt(dim);
      return images.map((value, i) => value + size * (errors[i] as number));
    },
  };
}

/** Values from a function of the index. */
export function spectrum(dim: number, value: (index: number) => number): Float64Array {
  return Float64Array.from({ length: dim }, (_, i) => value(i));
}
