// Reports of result folders as one HTML file.
export { renderReport, writeReport } from './write-report.js';
