// What goes from a finished analysis into run.json and the summary.
import { fullSummary } from '../../merge/full-hessian-results.js';
import type { AnalysisWork } from './analysis-work.js';

export function findingsOf({ findings, spectra, outliers, full, notes }: AnalysisWork) {
  const { loss, accuracy, tokens } = findings;
  return {
    loss,
    accuracy,
    layers: spectra.map((layer) => layer.summary(outliers)),
    fullHessian: full === undefined ? null : fullSummary(full, outliers),
    notes,
    ...(tokens === undefined ? {} : { countedTokens: tokens }),
  };
}
