// What the portable backend and its thread say to each other.
import type { OrthogonalTriangular, ProductShape, SingularValues } from '../linear-algebra.js';

/** An operation and its arguments; arrays are handed over, not shared. */
export type Operation =
  | { readonly name: 'eigh'; readonly matrix: Float64Array; readonly n: number }
  | {
      readonly name: 'gemm';
      readonly a: Float64Array;
      readonly b: Float64Array;
      readonly shape: ProductShape;
    }
  | ({ readonly name: 'syrk' | 'svd' | 'qr' } & Rectangle);

/** A matrix [rows, columns]. */
export interface Rectangle {
  readonly a: Float64Array;
  readonly rows: number;
  readonly columns: number;
}

/** Eigenvalues [n], ascending, and eigenvectors [n, n] in rows, signs as they come. */
export interface RawEigen {
  readonly values: Float64Array;
  readonly vectors: Float64Array;
}

/** The result type of each operation, signs and order as they come. */
export interface Results {
  readonly eigh: RawEigen;
  readonly gemm: Float64Array;
  readonly syrk: Float64Array;
  readonly svd: SingularValues;
  readonly qr: OrthogonalTriangular;
}

export interface Request {
  readonly id: number;
  readonly operation: Operation;
}

export type Reply =
  | { readonly id: number; readonly result: Results[keyof Results] }
  | { readonly id: number; readonly error: string };
