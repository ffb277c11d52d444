// Programs: differentiated ONNX models that workers run over data, by name.
export type { BuiltProgram, ProgramPair } from './built-program.js';
export { checkColumns } from './check-columns.js';
export type { DataRun } from './choose-batch.js';
export type { KroneckerBasis } from './ekfac.js';
export { blockDim, type ExactSums, type FactorOptions, factorInputDim } from './factor-options.js';
export type { KfocSide } from './kfoc.js';
export { checkLoss, defaultLoss, type Logits } from './logits.js';
export { type ColumnKind, type LossName, lossRank } from './loss.js';
export type { MeanGram } from './mean-gram.js';
export { krylovBytes } from './memory.js';
export {
  type ModelInput,
  type OpenedInput,
  type OpenedModel,
  type OpenOptions,
  openModel,
} from './open-model.js';
export {
  blockSize,
  layerMatrix,
  type ParameterBlock,
  type ParameterMatrix,
} from './parameter-block.js';
export { readParameters, withParameters } from './parameter-values.js';
export { affineParameters, modelParameters } from './parameters.js';
export {
  type BlockProduct,
  type BlockProductPlan,
  fullProduct,
  layerProduct,
  planBlockProduct,
  weightsAndBiases,
} from './plan-block-product.js';
export { type CurvaturePlan, planCurvature } from './plan-curvature.js';
export { type FactorPlan, planFactors, planMeanGram } from './plan-factors.js';
export {
  type LayerPass,
  planClassMeans,
  planEkfac,
  planKfocStep,
  planStackedOutput,
  stackedDim,
} from './plan-layer-pass.js';
export {
  type PosteriorPlan,
  parametersOf,
  planEvaluation,
  planPosterior,
  trainableParameters,
} from './plan-posterior.js';
export { type SurrogateLoss, surrogateLoss } from './posterior.js';
export type { SecondOrder } from './second-order.js';
export { foldSpatialGram, type SpatialFold } from './spatial-gram.js';
export type { FoundParameters, Parameter } from './trainable-parameters.js';
