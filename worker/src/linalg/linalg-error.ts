// What can go wrong in linear algebra.
import { BadInputError, KronlensError } from '@kronlens/proto';

/** A matrix holds NaN or infinity, so that it has no decomposition. */
export class NotFiniteMatrixError extends KronlensError {
  constructor(row: number, column: number, value: number, cause?: unknown) {
    super('matrix-not-finite', `entry [${row}, ${column}] of the matrix is ${value}`, {
      details: { row: String(row), column: String(column), value: String(value) },
      cause,
    });
  }
}

/** A matrix that has to be symmetric is not, by more than rounding. */
export class NotSymmetricMatrixError extends KronlensError {
  constructor(row: number, column: number, upper: number, lower: number) {
    super(
      'matrix-not-symmetric',
      `the matrix is not symmetric: entry [${row}, ${column}] is ${upper}, [${column}, ${row}] is ${lower}`,
    );
  }
}

/** The library's integers cannot count the entries of the matrix or of its workspace. */
export class MatrixTooLargeError extends KronlensError {
  constructor(rows: number, columns: number, library: string) {
    super(
      'matrix-too-large',
      `a ${rows} x ${columns} matrix is too large for the 32-bit integers of ${library}; set KRONLENS_BLAS to a library with 64-bit integers (Debian: libopenblas64-0)`,
    );
  }
}

/** A routine reports failure, or returns numbers that are none. */
export class NoConvergenceError extends KronlensError {
  constructor(routine: string, size: string, reason: string) {
    super('no-convergence', `${routine} failed on a matrix of size ${size}: ${reason}`);
  }
}

/** The user asked for a backend that this machine does not have. */
export class LinearAlgebraMissingError extends BadInputError {
  constructor(message: string, cause?: unknown) {
    super('linear-algebra-missing', message, {}, cause);
  }
}
