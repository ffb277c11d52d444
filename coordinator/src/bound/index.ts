// Closed forms of PAC-Bayes bounds, by name.
export { binaryKl, inverseBinaryKl } from './binary-kl.js';
export { type EvaluatedBound, evaluateBound, type StatedBound } from './evaluate-bound.js';
export { gaussianKl, type PosteriorSums } from './gaussian-kl.js';
export {
  type BoundSetting,
  bestBound,
  boundRate,
  confidence,
  monteCarloBound,
  type PacBayesBound,
} from './pac-bayes.js';
export { gridLogLambda, gridNeighbours, gridPosition, type PriorGrid } from './prior-grid.js';
