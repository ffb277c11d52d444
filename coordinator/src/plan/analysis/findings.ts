// What goes from a finished analysis into run.json and the summary.
import { fullSummary } from '../../merge/full-hessian-results.js';
import type { AnalysisWork } from './analysis-work.js';

export function findingsOf(work: AnalysisWork) {
  const { findings, spectra, outliers, full, notes, parameterBlocks } = work;
  const { loss, accuracy, tokens } = findings;
  const blocks = parameterBlocks.summaries();
  return {
    loss,
    accuracy,
    layers: spectra.map((layer) => layer.summary(outliers)),
    fullHessian: full === undefined ? null : fullSummary(full, outliers),
    notes,
    ...(blocks.length === 0 ? {} : { blocks }),
    ...(tokens === undefined ? {} : { countedTokens: tokens }),
  };
}
