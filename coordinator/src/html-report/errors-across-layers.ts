// The decoupling errors of all layers of a run in one chart.
import * as Plot from '@observablehq/plot';
import { linearLabel } from './axis-ticks.js';
import { CHART_WIDTH } from './chart.js';
import type { LayerData } from './layer-data.js';
import { html, Markup } from './markup.js';
import { STYLES } from './palette.js';
import { plotSvg } from './plot-svg.js';

const NORMS = [
  { measure: 'decoupling_error_spectral', name: 'spectral norm', style: STYLES.exact },
  { measure: 'decoupling_error_frobenius', name: 'Frobenius norm', style: STYLES.kronecker },
] as const;

const ROW_HEIGHT = 26;
/** Of the names of layers. */
const LETTER_WIDTH = 7;
const LONGEST_NAME = 22;

/** The end of a long name tells more than its beginning. */
function shortName(name: string): string {
  return name.length <= LONGEST_NAME ? name : `…${name.slice(-LONGEST_NAME + 1)}`;
}

interface Bar {
  readonly layer: string;
  readonly name: string;
  readonly error: number;
}

/** undefined where no layer has a decoupling error. */
export function errorsFigure(layers: readonly LayerData[]): Markup | undefined {
  const bars = (measure: string, name: string): Bar[] =>
    layers.flatMap(({ row, scalars }) => {
      const error = scalars.get(measure);
      return error === undefined ? [] : [{ layer: row.layer, name, error }];
    });
  const shown = NORMS.map((norm) => ({ ...norm, bars: bars(norm.measure, norm.name) })).filter(
    (norm) => norm.bars.length > 0,
  );
  if (shown.length === 0) return undefined;
  const names = layers
    .map(({ row }) => row.layer)
    .filter((layer) => shown.some((norm) => norm.bars.some((bar) => bar.layer === layer)));
  const longest = Math.max(...names.map((name) => shortName(name).length));
  const marginLeft = 20 + LETTER_WIDTH * longest;
  const svg = plotSvg(
    {
      width: CHART_WIDTH,
      height: 66 + ROW_HEIGHT * names.length,
      marginLeft,
      marginRight: 14,
      marginTop: 26,
      marginBottom: 40,
      x: {
        label: 'relative error',
        domain: [0, Math.max(...shown.flatMap((norm) => norm.bars.map(({ error }) => error)))],
        nice: true,
        grid: true,
        ticks: 5,
        tickFormat: linearLabel,
      },
      y: {
        type: 'point',
        label: null,
        domain: names,
        padding: 0.6,
        tickFormat: shortName,
        tickSize: 0,
      },
      marks: [
        Plot.ruleX([0], { stroke: 'var(--line)' }),
        ...shown.map(({ measure, name, style, bars: own }) =>
          Plot.dot(own, {
            x: 'error',
            y: 'layer',
            stroke: style.colour,
            fill: 'var(--card)',
            symbol: style.symbol,
            r: 4,
            title: (bar: Bar) => `${bar.layer}, ${name}: ${Number(bar.error.toPrecision(6))}`,
            className: measure,
          }),
        ),
      ],
    },
    'Decoupling errors of the layers',
  );
  const legend = shown.map(({ name, style }) => {
    const symbol = plotSvg(
      {
        width: 14,
        height: 14,
        margin: 0,
        x: { domain: [-1, 1], axis: null },
        y: { domain: [-1, 1], axis: null },
        marks: [
          Plot.dot([{ x: 0, y: 0 }], {
            x: 'x',
            y: 'y',
            stroke: style.colour,
            fill: 'var(--card)',
            symbol: style.symbol,
            r: 4,
          }),
        ],
      },
      '',
    );
    return html`<li>${new Markup(symbol)}${name}</li>`;
  });
  return html`<figure data-chart="decoupling_errors">
<h4>Decoupling error by layer</h4>
${new Markup(svg)}
<ul class="legend">${legend}</ul>
<figcaption>‖E[M] ⊗ E[xxᵀ] − H‖ / ‖H‖, where H is the exact block: 0 if the conjecture held exactly.</figcaption>
</figure>
`;
}
