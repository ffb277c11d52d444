// Dense linear algebra: the interface, the backends, and what `doctor` says of them.
export {
  createLinearAlgebra,
  howToInstall,
  type LinearAlgebraChoice,
} from './create-linear-algebra.js';
export { examineLinearAlgebra, type LinearAlgebraFinding } from './examine.js';
export {
  LinearAlgebraMissingError,
  MatrixTooLargeError,
  NoConvergenceError,
  NotFiniteMatrixError,
  NotSymmetricMatrixError,
} from './linalg-error.js';
export type {
  LinearAlgebra,
  OrthogonalTriangular,
  ProductShape,
  SingularValues,
  SymmetricEigen,
} from './linear-algebra.js';
