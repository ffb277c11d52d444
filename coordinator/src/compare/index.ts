// Comparing finished runs layer by layer.
export type { ComparisonRecord } from './comparison-record.js';
export type { LayerComparisonSummary } from './comparison-rows.js';
export { type ComparisonRequest, runComparison } from './run-comparison.js';
