// Iterations on operators that are known by their products: eigenpairs, norms, spectral density.

export { type CrossNormOptions, type CrossNorms, crossNorms } from './cross-norms.js';
export type { Estimate } from './estimate.js';
export {
  type FrobeniusOptions,
  frobeniusNorm,
  frobeniusNorms,
  type Images,
  type KnownDirections,
} from './frobenius.js';
export { hutchPlusPlus, type TraceOptions } from './hutch-plus-plus.js';
export {
  lanczosQuadrature,
  type Quadrature,
  type QuadratureOptions,
} from './lanczos-quadrature.js';
export {
  type NormOptions,
  normOfDifference,
  type OperatorNorm,
  operatorNorm,
} from './operator-norm.js';
export { placesIn, type SpectrumOrder } from './projected-matrix.js';
export { differenceOf, type SymmetricOperator } from './symmetric-operator.js';
export {
  blockSize,
  type EigenOptions,
  type EigenProgress,
  type Eigenpairs,
  topEigenpairs,
} from './top-eigenpairs.js';
