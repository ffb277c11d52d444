// The section of one comparison: overlap curves across models, with prediction and chance, by layer.
import { basename } from 'node:path';
import type { MeanOverlapRow, PredictionRow } from '@kronlens/proto';
import { formatNumber, formatPercent } from '../report/number-format.js';
import type { ComparisonResults } from '../results/index.js';
import { figure, type Series } from './chart.js';
import { htmlTable } from './html-table.js';
import { operatorClass, operatorTitle } from './layer-charts.js';
import { html, type Markup } from './markup.js';
import { operatorStyle, STYLES } from './palette.js';
import { type Anchored, sectionId } from './run-section.js';
import { trajectoryFigures } from './trajectory-charts.js';

const WHOLE = ['kron', 'ggn', 'hessian'];

type Facts = ComparisonResults['facts']['runs'][number];

function curve(rows: readonly MeanOverlapRow[], operator: string): Series {
  return {
    id: operatorClass(operator),
    name: operatorTitle(operator),
    style: operatorStyle(operator),
    points: rows
      .filter((row) => row.operator === operator)
      .map(({ k, mean, standard_deviation }) => ({
        x: k,
        y: mean,
        ...(standard_deviation === null ? {} : { spread: standard_deviation }),
      })),
  };
}

function baseline(rows: readonly MeanOverlapRow[], operator: string, name: string): Series {
  const points = rows
    .filter((row) => row.operator === operator)
    .map(({ k, baseline: y }) => ({ x: k, y: Math.min(1, y) }));
  return { id: 'baseline', name, style: STYLES.baseline, points, marks: 'line' };
}

/** The overlap of the whole weight's eigenspaces, beside what theory and chance give. */
function wholeFigure(
  rows: readonly MeanOverlapRow[],
  predictions: readonly PredictionRow[],
): Markup | undefined {
  const count = predictions.length;
  const holding = predictions.filter(({ holds }) => holds).length;
  const condition =
    count === 0
      ? ''
      : ` The condition of the prediction, τₘγ₁ > τ₁γ₂, holds in ${holding} of ${count} ${count === 1 ? 'pair' : 'pairs'}.`;
  const peak = predictions[0]?.peak_k;
  const operators = WHOLE.filter((operator) => rows.some((row) => row.operator === operator));
  const [first = 'kron'] = operators;
  const predicted = rows
    .filter((row) => row.operator === first)
    .flatMap(({ k, predicted: y }) => (y === null ? [] : [{ x: k, y }]));
  return figure({
    kind: 'overlap',
    title: 'Overlap between models',
    caption: `‖UᵀV‖² / k (Frobenius) of the top-k eigenspaces of two models, the mean over pairs; the band is one standard deviation.${condition}`,
    xLabel: 'k',
    yLabel: 'overlap',
    wholeX: true,
    series: [
      ...operators.map((operator) => curve(rows, operator)),
      {
        id: 'predicted',
        name: `predicted, (k/m)(t₁·t₁′)²${holding === 0 ? ', its condition fails' : ''}`,
        style: STYLES.predicted,
        points: predicted,
        marks: 'line',
      },
      baseline(rows, first, 'random, k/d'),
    ],
    marked: peak === undefined ? [] : [{ x: peak, name: `m = ${peak}` }],
  });
}

function factorFigure(rows: readonly MeanOverlapRow[], factor: string): Markup | undefined {
  const operators = [...new Set(rows.map(({ operator }) => operator))].filter(
    (operator) => operator === factor || operator.endsWith(`.${factor}`),
  );
  const [first] = operators;
  if (first === undefined) return undefined;
  return figure({
    kind: `overlap_${factor}`,
    title: `Overlap of eigenspaces of ${operatorTitle(factor)}`,
    caption:
      'Of the same layer in two models, the mean over pairs; the band is one standard deviation.',
    xLabel: 'k',
    yLabel: 'overlap',
    yMax: 1,
    wholeX: true,
    series: [
      ...operators.map((operator) => curve(rows, operator)),
      baseline(rows, first, 'random, k/d'),
    ],
  });
}

function runsTable({ facts }: ComparisonResults): Markup {
  return htmlTable<Facts>(
    'compared',
    [
      { title: 'run', align: 'left', cell: ({ name }) => name },
      { title: 'model', align: 'left', cell: ({ model }) => basename(model) },
      { title: 'mean loss', cell: ({ loss }) => formatNumber(loss) },
      {
        title: 'accuracy',
        cell: ({ accuracy }) => (accuracy === null ? '-' : formatPercent(accuracy)),
      },
    ],
    facts.runs,
  );
}

const share = (value: number | null | undefined) => (value == null ? '-' : value.toFixed(4));

/** What the terminal says of a comparison, one line an operator. */
function peaksTable({ facts }: ComparisonResults): Markup {
  const rows = facts.layers.flatMap(({ layer, operators, prediction }) =>
    operators.map((operator) => ({
      layer,
      ...operator,
      // The theory is about the whole weight, not about its factors.
      prediction: WHOLE.includes(operator.operator) ? prediction : null,
    })),
  );
  return html`${htmlTable<(typeof rows)[number]>(
    'peaks',
    [
      { title: 'layer', align: 'left', cell: ({ layer }) => layer },
      { title: 'eigenspaces of', align: 'left', cell: ({ operator }) => operatorTitle(operator) },
      { title: 'largest k', cell: ({ top }) => top },
      { title: 'peak k', cell: ({ peak }) => peak?.k ?? '-' },
      { title: 'overlap', cell: ({ peak }) => share(peak?.mean) },
      { title: 'std. dev.', cell: ({ peak }) => share(peak?.deviation) },
      { title: 'random', cell: ({ peak }) => share(peak?.baseline) },
      { title: 'predicted k', cell: ({ prediction }) => prediction?.k },
      { title: 'overlap', cell: ({ prediction }) => prediction && share(prediction.height) },
      {
        title: 'condition holds',
        cell: ({ prediction }) => prediction && `${prediction.holds} of ${prediction.pairs}`,
      },
    ],
    rows,
  )}
<p class="muted small">The peak is the k at which the overlap exceeds that of random subspaces, k/d, most. Mean and standard deviation are over pairs of runs.</p>
`;
}

function layerSection(results: ComparisonResults, layer: string, id: string): Markup | undefined {
  const rows = results.overlaps.filter((row) => row.layer === layer);
  const predictions = results.predictions.filter((row) => row.layer === layer);
  const figures = [
    wholeFigure(rows, predictions),
    factorFigure(rows, 'output'),
    factorFigure(rows, 'input'),
  ].filter((each) => each !== undefined);
  if (figures.length === 0) return undefined;
  return html`<section data-layer="${layer}" id="${id}">
<h3>${layer}</h3>
<div class="charts">
${figures}</div>
</section>
`;
}

export function comparisonSection(results: ComparisonResults): Anchored {
  const { name, facts, trajectory } = results;
  const id = sectionId(name);
  const parts = facts.layers.map(({ layer }, index) => ({
    id: `${id}-layer-${index + 1}`,
    name: layer,
  }));
  const notes = [
    ...facts.leftOut.map(
      ({ layer, missingIn }) =>
        `not compared: layer ${layer} is missing in ${missingIn.join(', ')}`,
    ),
    ...facts.warnings.map((warning) => `warning: ${warning}`),
  ];
  const steps = trajectoryFigures(trajectory, facts);
  const count = facts.runs.length;
  const body = html`<section data-comparison="${name}" id="${id}">
<h2>${name}</h2>
<p>Comparison of ${count} runs, ${(count * (count - 1)) / 2} pairs.</p>
${runsTable(results)}
${peaksTable(results)}
${notes.length === 0 ? '' : html`<ul class="notes">${notes.map((note) => html`<li>${note}</li>`)}</ul>`}
${steps.length === 0 ? '' : html`<h3>Trajectory</h3><div class="charts" data-part="trajectory">${steps}</div>`}
${parts.map((part) => layerSection(results, part.name, part.id))}</section>
`;
  return { id, name, parts, body };
}
