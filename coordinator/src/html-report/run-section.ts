// The section of one analysis: what was run, its layers in a table, decoupling errors, charts per layer.
import { basename } from 'node:path';
import { formatCount, formatNumber, formatPercent } from '../report/number-format.js';
import { formatShape } from '../report/summary.js';
import type { AnalysisResults } from '../results/index.js';
import { blockSection } from './block-section.js';
import { correspondenceCharts } from './correspondence-charts.js';
import { errorsFigure } from './errors-across-layers.js';
import { fullSection } from './full-section.js';
import { type HtmlColumn, htmlTable } from './html-table.js';
import { layerCharts } from './layer-charts.js';
import { type LayerData, layerData, outlierCount } from './layer-data.js';
import { html, type Markup } from './markup.js';
import { measureWords } from './measure-words.js';

/** Where a section and its parts can be linked to. */
export interface Anchored {
  readonly id: string;
  readonly name: string;
  readonly parts: readonly { readonly id: string; readonly name: string }[];
  readonly body: Markup;
}

function largest({ spectra }: LayerData, factor: string): number | undefined {
  const values = [...spectra]
    .filter(([operator]) => operator === factor || operator.endsWith(`.${factor}`))
    .map(([, { eigenvalues }]) => eigenvalues[0] ?? 0);
  return values.length === 0 ? undefined : Math.max(...values);
}

/** Titles of the largest eigenvalues, by operator. */
const LARGEST: Readonly<Record<string, string>> = {
  input: 'λ₁ of E[xxᵀ]',
  output: 'λ₁ of E[M]',
  kron: 'λ₁ Kronecker',
  ggn: 'λ₁ exact',
  hessian: 'λ₁ Hessian',
};

function shapeOf({ row }: LayerData): string {
  const shape = { outDim: row.out_dim, inDim: row.in_dim, groups: row.groups };
  return formatShape(shape).replaceAll('x', '×');
}

function layerColumn(run: AnalysisResults): HtmlColumn<LayerData> {
  return {
    title: 'layer',
    align: 'left',
    cell: ({ row }) => html`<a href="#${layerId(run, row.layer)}">${row.layer}</a>`,
  };
}

function layersTable(run: AnalysisResults, layers: readonly LayerData[]): Markup {
  const operators = Object.entries(LARGEST).filter(([operator]) =>
    layers.some((layer) => largest(layer, operator) !== undefined),
  );
  const columns: readonly HtmlColumn<LayerData>[] = [
    layerColumn(run),
    { title: 'op', align: 'left', cell: ({ row }) => row.op },
    { title: 'shape m×n', cell: shapeOf },
    { title: 'positions', cell: ({ row }) => formatCount(row.positions) },
    { title: 'weights', cell: ({ row }) => formatCount(row.params) },
    ...operators.map(([operator, title]) => ({
      title,
      cell: (layer: LayerData) => formatNumber(largest(layer, operator)),
    })),
  ];
  return htmlTable('layers', columns, layers);
}

/** Positions count eigenvalues. */
function scalarText(measure: string, value: number | undefined): string {
  const whole = measure.startsWith('outlier_position_') && value !== undefined;
  return whole ? String(value) : formatNumber(value);
}

/** The measures that have one value a layer. */
function structureTable(run: AnalysisResults, layers: readonly LayerData[]): Markup {
  const measures = [...new Set(layers.flatMap(({ scalars }) => [...scalars.keys()]))];
  if (measures.length === 0) return html``;
  const columns = measures.map((measure) => ({
    title: measureWords(measure).title,
    cell: ({ scalars }: LayerData) => scalarText(measure, scalars.get(measure)),
  }));
  const explained = measures.flatMap((measure) => {
    const { title, explanation } = measureWords(measure);
    return explanation === '' ? [] : [html`<li>${title}: ${explanation}</li>`];
  });
  return html`${htmlTable('structure', [layerColumn(run), ...columns], layers)}
${explained.length === 0 ? '' : html`<details><summary>What the columns are</summary><ul>${explained}</ul></details>`}
`;
}

function layerId({ name, layers }: AnalysisResults, layer: string): string {
  return `${sectionId(name)}-layer-${layers.findIndex((row) => row.layer === layer) + 1}`;
}

/** An id out of a run's name, which is unique in a report. */
export function sectionId(name: string): string {
  return `run-${name.replace(/[^A-Za-z0-9]/g, (character) => `_${character.charCodeAt(0).toString(16)}_`)}`;
}

/** Facts of the run in words. */
function facts({ facts: run, folder }: AnalysisResults): Markup {
  const { model, data, samples, lossName, loss, accuracy, options } = run;
  const quality = [
    loss === null ? `${lossName}, no labels` : `${lossName} ${formatNumber(loss)}`,
    ...(accuracy === null ? [] : [`accuracy ${formatPercent(accuracy)}`]),
  ];
  const files = [...new Set(data.map(({ path }) => basename(path)))].join(', ');
  const chosen = ['curvature', 'outputHessian', 'sharing', 'bias', 'seed'].flatMap((key) => {
    const value = options.get(key);
    return value === undefined ? [] : [`${key} ${value}`];
  });
  return html`<p>${basename(model.path)} on ${formatCount(samples)} samples of ${files}: ${quality.join(', ')}.</p>
<p class="muted">${chosen.join(', ')}. Result folder ${folder}; model SHA-256 ${model.sha256.slice(0, 12)}…</p>
`;
}

/** @throws BadInputError when a file of the run is damaged */
export async function runSection(run: AnalysisResults): Promise<Anchored> {
  const layers = layerData(run);
  const outliers = outlierCount(run);
  const sections: Markup[] = [];
  for (const layer of layers) {
    const { row } = layer;
    const rows = [layerCharts(layer, outliers), await correspondenceCharts(run, layer)].filter(
      (figures) => figures.length > 0,
    );
    if (rows.length === 0) continue;
    sections.push(html`<section data-layer="${row.layer}" id="${layerId(run, row.layer)}">
<h3>${row.layer}<small>${row.op}, ${shapeOf(layer)}, ${formatCount(row.params)} weights</small></h3>
${rows.map(
  (figures) => html`<div class="charts">
${figures}</div>
`,
)}</section>
`);
  }
  const id = sectionId(run.name);
  const errors = errorsFigure(layers);
  const body = html`<section data-run="${run.name}" id="${id}">
<h2>${run.name}</h2>
${facts(run)}
${notes(run)}
${layersTable(run, layers)}
${structureTable(run, layers)}
${errors === undefined ? '' : html`<div class="charts">${errors}</div>`}
${fullSection(run, outliers)}
${sections}${blockSection(run)}</section>
`;
  const parts = layers.map(({ row }) => ({ id: layerId(run, row.layer), name: row.layer }));
  return { id, name: run.name, parts, body };
}

function notes({ facts: { skipped, warnings } }: AnalysisResults): Markup {
  const lines = [
    ...skipped.map(({ name, reason }) => `skipped ${name}: ${reason}`),
    ...warnings.map((warning) => `warning: ${warning}`),
  ];
  return lines.length === 0
    ? html``
    : html`<ul class="notes">${lines.map((line) => html`<li>${line}</li>`)}</ul>`;
}
