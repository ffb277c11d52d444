// Dense linear algebra: the interface, the backends, and what `doctor` says of them.
export { createLinearAlgebra, type LinearAlgebraChoice } from './create-linear-algebra.js';
export { examineLinearAlgebra } from './examine.js';
export { howToInstall } from './how-to-install.js';
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
