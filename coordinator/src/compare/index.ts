// Comparing finished runs layer by layer.
export { renderComparison } from './comparison-lines.js';
export type { ComparisonRecord } from './comparison-record.js';
export { type ComparisonRequest, runComparison } from './run-comparison.js';
