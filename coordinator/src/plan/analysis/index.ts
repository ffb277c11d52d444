// From merged sums to result files, stage by stage.
export { AnalysisWork } from './analysis-work.js';
export { takeFactors } from './factors.js';
export { findingsOf } from './findings.js';
export { STAGES } from './stages.js';
export { writeTables } from './tables.js';
