// What a curvature task asks for of a block that is small enough to be formed: by products with unit vectors.
import type { BundleTensor } from '@kronlens/proto';
import { placesIn, type SpectrumOrder, type SymmetricOperator } from '../krylov/index.js';
import type { LinearAlgebra } from '../linalg/index.js';

export interface DenseRequest {
  /** Eigenpairs that are kept, those that come first in `order`. */
  readonly top: number;
  readonly order: SpectrumOrder;
  /** Vectors multiplied at a time. */
  readonly block: number;
  /** Told the number of vectors multiplied. */
  readonly onProgress: (products: number) => void;
}

/** [d, d], symmetric to rounding, made symmetric. */
async function formed(
  { dim, apply }: SymmetricOperator,
  { block, onProgress }: Pick<DenseRequest, 'block' | 'onProgress'>,
): Promise<Float64Array> {
  const matrix = new Float64Array(dim * dim);
  for (let first = 0; first < dim; first += block) {
    const count = Math.min(block, dim - first);
    const units = new Float64Array(count * dim);
    for (let i = 0; i < count; i++) units[i * dim + first + i] = 1;
    matrix.set((await apply(units, count)).subarray(0, count * dim), first * dim);
    onProgress(first + count);
  }
  for (let i = 0; i < dim; i++) {
    for (let j = 0; j < i; j++) {
      const [a, b] = [i * dim + j, j * dim + i];
      const mean = ((matrix[a] as number) + (matrix[b] as number)) / 2;
      matrix[a] = mean;
      matrix[b] = mean;
    }
  }
  return matrix;
}

/**
 * The tensors of a curvature task without iterations and estimates: "eigenvalues" [k] and
 * "eigenvectors" [k, d] descending, all eigenvalues in "spectrum" [d], "trace" and "frobenius" [2] with
 * standard errors of 0, and with K "difference_norm" [1] and "difference_frobenius" [2].
 */
export async function denseCurvature(
  operator: SymmetricOperator,
  kronecker: SymmetricOperator | undefined,
  linalg: LinearAlgebra,
  request: DenseRequest,
): Promise<readonly BundleTensor[]> {
  const { dim } = operator;
  const matrix = await formed(operator, request);
  const { values, vectors } = await linalg.eigh(matrix, dim);
  const top = Math.min(request.top, dim);
  const places = [...placesIn(values, request.order).slice(0, top)].sort((a, b) => a - b);
  const chosen = new Float64Array(top * dim);
  places.forEach((place, i) => {
    chosen.set(vectors.subarray(place * dim, (place + 1) * dim), i * dim);
  });
  const trace = values.reduce((sum, value) => sum + value, 0);
  return [
    list(
      'eigenvalues',
      places.map((place) => values[place] as number),
    ),
    { name: 'eigenvectors', shape: [top, dim], symmetric: false, values: chosen },
    list('spectrum', values),
    list('trace', [trace, 0]),
    list('frobenius', [squares(values), 0]),
    ...(kronecker === undefined ? [] : await difference(matrix, kronecker, linalg, request)),
  ];
}

async function difference(
  matrix: Float64Array,
  kronecker: SymmetricOperator,
  linalg: LinearAlgebra,
  { block }: DenseRequest,
): Promise<readonly BundleTensor[]> {
  const other = await formed(kronecker, { block, onProgress: () => {} });
  for (let i = 0; i < other.length; i++) other[i] = (matrix[i] as number) - (other[i] as number);
  const { values } = await linalg.eigh(other, kronecker.dim);
  const norm = Math.max(Math.abs(values[0] ?? 0), Math.abs(values.at(-1) ?? 0));
  return [list('difference_norm', [norm]), list('difference_frobenius', [squares(values), 0])];
}

function squares(values: Float64Array): number {
  return values.reduce((sum, value) => sum + value * value, 0);
}

function list(name: string, values: ArrayLike<number>): BundleTensor {
  return { name, shape: [values.length], symmetric: false, values: Float64Array.from(values) };
}
