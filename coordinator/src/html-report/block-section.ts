// Blocks of parameters and blocks between layers, where a run measured them.
import { formatCount, formatNumber } from '../report/number-format.js';
import { type AnalysisResults, layerSpectra } from '../results/index.js';
import { figure } from './chart.js';
import { htmlTable } from './html-table.js';
import { operatorTitle, spectrum } from './layer-charts.js';
import { html, type Markup } from './markup.js';

/** Spectra of the blocks that blocks.arrow names, with what they are of. */
function parameterBlocks({ blocks, spectra, structure }: AnalysisResults): Markup {
  const names = [...new Set(blocks.map(({ block }) => block))];
  if (names.length === 0) return html``;
  const sizeOf = (name: string) =>
    blocks
      .filter(({ block }) => block === name)
      .reduce((size, { rows, columns }) => size + rows * columns, 0);
  const measured = (name: string, measure: string) =>
    formatNumber(structure.find((row) => row.layer === name && row.measure === measure)?.value);
  const measures = ['trace', 'norm_frobenius', 'trace_hessian', 'norm_frobenius_hessian'].filter(
    (measure) => structure.some((row) => names.includes(row.layer) && row.measure === measure),
  );
  const table = htmlTable(
    'blocks',
    [
      { title: 'block', align: 'left', cell: (name: string) => name },
      { title: 'parameters', cell: (name: string) => formatCount(sizeOf(name)) },
      ...measures.map((measure) => ({
        title: measure.replaceAll('_', ' '),
        cell: (name: string) => measured(name, measure),
      })),
    ],
    names,
  );
  const charts = names.flatMap((name) => {
    const chart = spectrum({ spectra: layerSpectra(spectra, name) }, undefined);
    return figure({ ...chart, kind: 'block', title: `Eigenvalues of ${name}` }) ?? [];
  });
  return html`<h3>Blocks of parameters</h3>
${table}
<div class="charts">
${charts}</div>
`;
}

/** ||H_ab|| / sqrt(||H_aa|| ||H_bb||) in a table of layers by layers, for every operator. */
function crossBlocks({ cross }: AnalysisResults): Markup {
  const operators = [...new Set(cross.map(({ operator }) => operator))];
  const tables = operators.map((operator) => {
    const own = cross.filter((row) => row.operator === operator);
    const layers = [...new Set(own.map(({ layer_a }) => layer_a))];
    const norm = (a: string, b: string) =>
      own.find(
        ({ layer_a, layer_b }) =>
          (layer_a === a && layer_b === b) || (layer_a === b && layer_b === a),
      )?.frobenius ?? 0;
    const share = (a: string, b: string) => {
      const scale = Math.sqrt(norm(a, a) * norm(b, b));
      return scale > 0 ? (norm(a, b) / scale).toFixed(3) : '';
    };
    return html`<p>${operatorTitle(operator)}: ‖H between a and b‖ / (‖H of a‖ ‖H of b‖)^½, Frobenius norms.</p>
${htmlTable(
  'cross',
  [
    { title: '', align: 'left', cell: (a: string) => a },
    ...layers.map((b) => ({ title: b, cell: (a: string) => share(a, b) })),
  ],
  layers,
)}`;
  });
  return tables.length === 0 ? html`` : html`<h3>Blocks between layers</h3>${tables}`;
}

/** Empty where there are neither. */
export function blockSection(run: AnalysisResults): Markup {
  return html`${parameterBlocks(run)}${crossBlocks(run)}`;
}
