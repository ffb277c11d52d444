// The section of one folder of PAC-Bayes bounds: the bounds by variant, how they came about, KL and deviations by layer.
import { basename } from 'node:path';
import type { BoundRow, PosteriorKlRow } from '@kronlens/proto';
import { formatCount, formatNumber } from '../report/number-format.js';
import { type BoundResults, type DeviationBasis, posteriorDeviations } from '../results/index.js';
import { figure, type Series } from './chart.js';
import { type HtmlColumn, htmlTable } from './html-table.js';
import { html, type Markup } from './markup.js';
import { cycledStyle } from './palette.js';
import { type Anchored, sectionId } from './run-section.js';

/** Points of a curve of sorted deviations. */
const QUANTILES = 60;

const share = (value: number | null) => (value === null ? '-' : value.toFixed(4));

function boundsTable({ bounds }: BoundResults): Markup {
  return htmlTable<BoundRow>(
    'bounds',
    [
      { title: 'variant', align: 'left', cell: ({ variant }) => variant },
      { title: 'bound', cell: ({ bound }) => share(bound) },
      { title: 'KL(Q‖P)', cell: ({ kl }) => formatNumber(kl) },
      { title: '½ log λ', cell: ({ half_log_lambda }) => half_log_lambda.toFixed(4) },
      { title: 'bound on the training error', cell: ({ snn_error }) => share(snn_error) },
      { title: 'training error of Q', cell: ({ train_error }) => share(train_error) },
      { title: 'test error of Q', cell: ({ test_error }) => share(test_error) },
      { title: 'training error of its mean', cell: (row) => share(row.mean_train_error) },
      { title: 'test error of its mean', cell: (row) => share(row.mean_test_error) },
      { title: 'drawn weights', cell: ({ mc_samples }) => formatCount(mc_samples) },
      { title: 'epochs', cell: ({ epochs }) => formatCount(epochs) },
    ],
    bounds,
  );
}

/** Layers, or parameters that belong to none, in the order of the file. */
const partOf = ({ layer, parameter }: PosteriorKlRow) => layer ?? parameter;

interface LayerKl {
  readonly part: string;
  readonly dimension: number;
  /** In the order of the variants. */
  readonly kl: readonly number[];
}

function klByLayer({ kl, bounds }: BoundResults): readonly LayerKl[] {
  const parts = [...new Set(kl.map(partOf))];
  return parts.map((part) => {
    const rows = kl.filter((row) => partOf(row) === part);
    const own = bounds.map(({ variant }) => rows.filter((row) => row.variant === variant));
    return {
      part,
      dimension: (own[0] ?? []).reduce((sum, { dimension }) => sum + dimension, 0),
      kl: own.map((each) => each.reduce((sum, row) => sum + row.kl, 0)),
    };
  });
}

function klTable({ bounds }: BoundResults, layers: readonly LayerKl[]): Markup {
  const columns: readonly HtmlColumn<LayerKl>[] = [
    { title: 'layer', align: 'left', cell: ({ part }) => part },
    { title: 'parameters', cell: ({ dimension }) => formatCount(dimension) },
    ...bounds.map(({ variant }, index) => ({
      title: `KL of ${variant}`,
      cell: ({ kl }: LayerKl) => formatNumber(kl[index]),
    })),
  ];
  return htmlTable('posterior-kl', columns, layers);
}

const seriesOf = (
  { bounds }: BoundResults,
  points: (variant: string, index: number) => Series['points'],
): readonly Series[] =>
  bounds.map(({ variant }, index) => ({
    id: `variant-${variant}`,
    name: variant,
    style: cycledStyle(index),
    points: points(variant, index),
  }));

function klFigure(run: BoundResults, layers: readonly LayerKl[]): Markup | undefined {
  const names = layers.map(({ part }, index) => `${index + 1} ${part}`).join(', ');
  return figure({
    kind: 'kl-by-layer',
    title: 'KL by layer',
    caption: `The part of KL(Q‖P) that belongs to each layer, weights and biases together: ${names}.`,
    xLabel: 'layer',
    yLabel: 'KL in nats',
    wholeX: true,
    series: seriesOf(run, (_, variant) =>
      layers.map(({ kl }, index) => ({ x: index + 1, y: kl[variant] ?? Number.NaN })),
    ),
  });
}

function historyFigure(
  run: BoundResults,
  value: 'objective' | 'kl',
  title: string,
  caption: string,
): Markup | undefined {
  return figure({
    kind: `bound-${value}`,
    title,
    caption,
    xLabel: 'epoch',
    yLabel: value === 'kl' ? 'KL in nats' : 'objective',
    yScale: 'log',
    wholeX: true,
    series: seriesOf(run, (variant) =>
      run.history
        .filter((row) => row.variant === variant)
        .map((row) => ({ x: row.epoch + 1, y: row[value] })),
    ),
  });
}

/** Values at equally spaced ranks of what is sorted, over the share that is larger. */
function quantiles(sorted: Float64Array): Series['points'] {
  const last = sorted.length - 1;
  const count = Math.min(QUANTILES, sorted.length);
  return Array.from({ length: count }, (_, index) => {
    const at = count === 1 ? 0 : Math.round((index / (count - 1)) * last);
    return { x: last === 0 ? 0 : (100 * at) / last, y: sorted[at] as number };
  });
}

interface DeviationFigure {
  readonly basis: DeviationBasis;
  readonly kind: string;
  readonly title: string;
  readonly caption: string;
  readonly xLabel: string;
}

const OWN_BASIS: DeviationFigure = {
  basis: 'own',
  kind: 'posterior-deviations',
  title: 'in the basis of Q',
  caption:
    'Standard deviations of Q in its own basis, the largest first: directions that may be noisy, and the few that may not.',
  xLabel: '% of the directions',
};
const STANDARD_BASIS: DeviationFigure = {
  basis: 'standard',
  kind: 'posterior-standard-deviations',
  title: 'in the standard basis',
  caption:
    'Standard deviations of the weights themselves under Q, the largest first: in the standard basis the variants with Kronecker eigenbases are correlated, too.',
  xLabel: '% of the weights',
};

async function deviationFigures(
  run: BoundResults,
  { basis, kind, title, caption, xLabel }: DeviationFigure,
): Promise<readonly Markup[]> {
  const weights = [...new Set(run.kl.map(({ parameter }) => parameter))].filter((parameter) =>
    run.kl.some((row) => row.parameter === parameter && row.dimension > 1),
  );
  const figures: Markup[] = [];
  for (const parameter of weights) {
    const curves = new Map<string, Series['points']>();
    for (const { variant } of run.bounds) {
      const sorted = await posteriorDeviations(run, variant, parameter, basis);
      if (sorted !== undefined) curves.set(variant, quantiles(sorted));
    }
    const made = figure({
      kind,
      title: `Deviations of ${parameter} ${title}`,
      caption,
      xLabel,
      yLabel: 'σ',
      yScale: 'log',
      series: seriesOf(run, (variant) => curves.get(variant) ?? []),
    });
    if (made !== undefined) figures.push(made);
  }
  return figures;
}

/** @throws BadInputError when a file of the folder is damaged */
export async function boundSection(run: BoundResults): Promise<Anchored> {
  const { name, facts } = run;
  const id = sectionId(name);
  const layers = klByLayer(run);
  const parts = [
    { id: `${id}-optimisation`, name: 'optimisation' },
    { id: `${id}-posterior`, name: 'posterior' },
  ];
  const figures = [
    historyFigure(run, 'objective', 'Objective', 'Surrogate loss plus penalty, by epoch.'),
    historyFigure(run, 'kl', 'KL', 'KL(Q‖P) at the end of each epoch.'),
  ];
  const isRotated = run.bounds.some(({ variant }) => variant !== 'base');
  const standard = isRotated ? await deviationFigures(run, STANDARD_BASIS) : [];
  const prior = facts.init === null ? 'centred at 0' : `centred at ${basename(facts.init)}`;
  const body = html`<section id="${id}" data-bound="${name}">
<h2>${name}: PAC-Bayes bounds</h2>
<p>${basename(facts.model)}, prior ${prior}; ${[...new Set(facts.data.map((path) => basename(path)))].join(', ')}; N = ${formatCount(facts.samples)}, ${formatCount(facts.parameters)} parameters. Each bound on the true error of the Gaussian posterior Q holds with probability ${formatNumber(facts.confidence)}.</p>
${facts.warnings.map(
  (warning) => html`<p class="muted">warning: ${warning}</p>
`,
)}${boundsTable(run)}
<h3 id="${id}-optimisation">Optimisation</h3>
<div class="charts">${figures.map((each) => each ?? '')}</div>
<h3 id="${id}-posterior">Posterior</h3>
${klTable(run, layers)}
<div class="charts">${klFigure(run, layers) ?? ''}${await deviationFigures(run, OWN_BASIS)}${standard}</div>
</section>
`;
  return { id, name, parts, body };
}
