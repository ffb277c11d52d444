// The operations in pure JavaScript, by the library ml-matrix (JAMA's algorithms).
import { EigenvalueDecomposition, Matrix, QrDecomposition, SVD } from 'ml-matrix';
import type { OrthogonalTriangular, ProductShape, SingularValues } from '../linear-algebra.js';
import type { Operation, RawEigen, Rectangle, Results } from './thread-messages.js';

/** Runs one operation; blocks until it is done. */
export function compute(operation: Operation): Results[keyof Results] {
  switch (operation.name) {
    case 'eigh':
      return eigh(operation.matrix, operation.n);
    case 'gemm':
      return gemm(operation.a, operation.b, operation.shape);
    case 'syrk':
      return syrk(operation);
    case 'svd':
      return svd(operation);
    case 'qr':
      return qr(operation);
  }
}

const toMatrix = (values: Float64Array, rows: number, columns: number): Matrix =>
  Matrix.from1DArray(rows, columns, values);

function toArray(matrix: Matrix, rows = matrix.rows, columns = matrix.columns): Float64Array {
  const values = new Float64Array(rows * columns);
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      values[row * columns + column] = matrix.get(row, column);
    }
  }
  return values;
}

function eigh(matrix: Float64Array, n: number): RawEigen {
  const decomposition = new EigenvalueDecomposition(toMatrix(matrix, n, n), {
    assumeSymmetric: true,
  });
  return {
    values: Float64Array.from(decomposition.realEigenvalues),
    vectors: toArray(decomposition.eigenvectorMatrix.transpose()),
  };
}

function gemm(a: Float64Array, b: Float64Array, shape: ProductShape): Float64Array {
  const { rows, inner, columns, transposeA, transposeB } = shape;
  const left = transposeA ? toMatrix(a, inner, rows).transpose() : toMatrix(a, rows, inner);
  const right = transposeB ? toMatrix(b, columns, inner).transpose() : toMatrix(b, inner, columns);
  return toArray(left.mmul(right));
}

function syrk({ a, rows, columns }: Rectangle): Float64Array {
  const matrix = toMatrix(a, rows, columns);
  return toArray(matrix.transpose().mmul(matrix));
}

function svd({ a, rows, columns }: Rectangle): SingularValues {
  const k = Math.min(rows, columns);
  const decomposition = new SVD(toMatrix(a, rows, columns), { autoTranspose: true });
  return {
    u: toArray(decomposition.leftSingularVectors, rows, k),
    values: Float64Array.from(decomposition.diagonal.slice(0, k)),
    vt: toArray(decomposition.rightSingularVectors.transpose(), k, columns),
  };
}

/** The library wants at least as many rows as columns; the columns beyond follow from q. */
function qr({ a, rows, columns }: Rectangle): OrthogonalTriangular {
  const k = Math.min(rows, columns);
  const matrix = toMatrix(a, rows, columns);
  const square = k === columns ? matrix : matrix.subMatrix(0, rows - 1, 0, k - 1);
  const q = new QrDecomposition(square).orthogonalMatrix;
  const r = toArray(q.transpose().mmul(matrix), k, columns);
  for (let row = 1; row < k; row++) r.fill(0, row * columns, row * columns + row);
  return { q: toArray(q, rows, k), r };
}
