// Reading result folders: records, tables and matrices of finished runs.
export { type AnalysisFacts, type AnalysisResults, openAnalysis } from './analysis-results.js';
export {
  type BoundResults,
  type DeviationBasis,
  openBound,
  posteriorDeviations,
} from './bound-results.js';
export { type ComparisonResults, openComparison } from './comparison-results.js';
export type {
  LayerComparisonSummary,
  OperatorSummary,
  OverlapPeak,
  PredictionSummary,
} from './comparison-summary.js';
export { damagedFile, missingFile } from './damaged.js';
export { type MatrixRoom, readMatrix, type StoredMatrix } from './read-matrix.js';
export { kindOfResults, type RecordKind, readFinishedRecord } from './read-record.js';
export { readTable, readTableIfThere } from './read-table.js';
export { runNames } from './run-names.js';
export {
  layerSpectra,
  negativeSizes,
  numericalRank,
  RESOLUTION,
  type Spectrum,
} from './spectrum.js';
