// The first part of a report: all runs in one table.
import { basename } from 'node:path';
import { formatCount, formatNumber, formatPercent } from '../report/number-format.js';
import type { AnalysisResults } from '../results/index.js';
import { htmlTable } from './html-table.js';
import { html, type Markup } from './markup.js';
import { sectionId } from './run-section.js';

/** One row a run. */
export function overview(runs: readonly AnalysisResults[]): Markup {
  if (runs.length === 0) return html``;
  return htmlTable<AnalysisResults>(
    'runs',
    [
      {
        title: 'run',
        align: 'left',
        cell: ({ name }) => html`<a href="#${sectionId(name)}">${name}</a>`,
      },
      { title: 'model', align: 'left', cell: ({ facts }) => basename(facts.model.path) },
      {
        title: 'data',
        align: 'left',
        cell: ({ facts }) => [...new Set(facts.data.map(({ path }) => basename(path)))].join(', '),
      },
      { title: 'samples', cell: ({ facts }) => formatCount(facts.samples) },
      { title: 'loss', align: 'left', cell: ({ facts }) => facts.lossName },
      { title: 'mean loss', cell: ({ facts }) => formatNumber(facts.loss) },
      {
        title: 'accuracy',
        cell: ({ facts }) => (facts.accuracy === null ? '-' : formatPercent(facts.accuracy)),
      },
      { title: 'layers', cell: ({ layers }) => layers.length },
      {
        title: 'weights',
        cell: ({ layers }) => formatCount(layers.reduce((sum, { params }) => sum + params, 0)),
      },
      {
        title: 'curvature',
        align: 'left',
        cell: ({ facts }) => facts.options.get('curvature') ?? '-',
      },
    ],
    runs,
  );
}
