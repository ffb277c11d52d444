// The structure measures, each a function of plain arrays.
export { inputCorrespondence, outputCorrespondence } from './correspondence.js';
export { eigenspaceOverlap } from './eigenspace-overlap.js';
export { eigenvalueRatio } from './eigenvalue-ratio.js';
export {
  type FullHessianEigenpairs,
  fullHessianEigenpairs,
  fullHessianVectors,
  type StackedLayer,
} from './full-hessian.js';
export {
  heuristicEigenspace,
  heuristicOverlap,
  type Matrix,
  weightChain,
} from './heuristic-eigenspace.js';
export { kroneckerCoordinates } from './kronecker-coordinates.js';
export {
  type FactorEigenpairs,
  type FactorMatrices,
  type KroneckerIndex,
  kroneckerEigenvalues,
} from './kronecker-factors.js';
export { kroneckerFrobeniusNorm, kroneckerTrace } from './kronecker-norms.js';
export { type MatricisedRanks, matricisedRanks } from './matricised-rank.js';
export { outlierPosition, outlierRatio } from './outliers.js';
export { positiveRank } from './positive-rank.js';
export { surrogateError, surrogateOutputHessian } from './surrogate-output-hessian.js';
export { dimensionOf, type WeightShape, type WeightVectors } from './weight-vectors.js';
