// What a linear algebra backend computes: the interface behind which LAPACK and the others stand.

/**
 * Dense float64 linear algebra. All matrices are row-major; arguments are not modified, save `into`,
 * and results are fresh arrays. Each call gives the same bytes for the same arguments on the same processor,
 * whatever else runs at the time. Calls may overlap; none blocks the event loop longer than a call to
 * another thread takes.
 */
export interface LinearAlgebra {
  readonly name: 'lapack' | 'portable';
  /** What computes, with version and path: goes into `run.json`. */
  readonly library: string;
  /** Why this backend is slower than it need be, and what to install; undefined when it is not. */
  readonly warning?: string;

  /**
   * All eigenpairs of a symmetric matrix [n, n] (LAPACK dsyevd).
   * @throws NotFiniteMatrixError, NotSymmetricMatrixError, MatrixTooLargeError, NoConvergenceError
   */
  eigh(matrix: Float64Array, n: number): Promise<SymmetricEigen>;

  /** The product op(a) op(b), [rows, columns]; op transposes where `shape` says so (BLAS dgemm). */
  gemm(a: Float64Array, b: Float64Array, shape: ProductShape): Promise<Float64Array>;

  /**
   * into += factor op(a) op(b), in place, without another copy of it (BLAS dgemm).
   * @param into [rows, columns], no part of the other arguments' memory
   */
  addGemm(
    into: Float64Array,
    factor: number,
    a: Float64Array,
    b: Float64Array,
    shape: ProductShape,
  ): Promise<void>;

  /** a^T a of a [rows, columns]: the full symmetric [columns, columns] (BLAS dsyrk). */
  syrk(a: Float64Array, rows: number, columns: number): Promise<Float64Array>;

  /**
   * The thin singular value decomposition a = u diag(values) vt of a [rows, columns] (LAPACK
   * dgesdd).
   * @throws NotFiniteMatrixError, MatrixTooLargeError, NoConvergenceError
   */
  svd(a: Float64Array, rows: number, columns: number): Promise<SingularValues>;

  /**
   * The thin decomposition a = q r of a [rows, columns], r with no negative diagonal entry (LAPACK
   * dgelqf and dorglq on a^T).
   * @throws NotFiniteMatrixError, MatrixTooLargeError
   */
  qr(a: Float64Array, rows: number, columns: number): Promise<OrthogonalTriangular>;

  /** Ends what runs in the background; pending calls fail. */
  close(): Promise<void>;
}

/** Eigenpairs, largest eigenvalue first. */
export interface SymmetricEigen {
  /** [n], descending. */
  readonly values: Float64Array;
  /** [n, n]: row i is the unit eigenvector of value i, its sign fixed as by `fixSign`. */
  readonly vectors: Float64Array;
}

/** Shape of a product. `inner` is the summed size; a is [rows, inner], or [inner, rows] transposed. */
export interface ProductShape {
  readonly rows: number;
  readonly inner: number;
  readonly columns: number;
  readonly transposeA?: boolean;
  readonly transposeB?: boolean;
}

/** With k = min(rows, columns). Row i of vt has its sign fixed as by `fixSign`. */
export interface SingularValues {
  /** [rows, k], orthonormal columns. */
  readonly u: Float64Array;
  /** [k], descending, none negative. */
  readonly values: Float64Array;
  /** [k, columns], orthonormal rows. */
  readonly vt: Float64Array;
}

/** With k = min(rows, columns). */
export interface OrthogonalTriangular {
  /** [rows, k], orthonormal columns. */
  readonly q: Float64Array;
  /** [k, columns], upper triangular. */
  readonly r: Float64Array;
}
