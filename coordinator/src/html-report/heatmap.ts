// A matrix of shares between 0 and 1 as a heatmap.
import * as Plot from '@observablehq/plot';
import { CHART_WIDTH } from './chart.js';
import { type Content, html, Markup } from './markup.js';
import { plotSvg } from './plot-svg.js';

export interface Heatmap {
  readonly kind: string;
  readonly title: string;
  readonly caption: Content;
  readonly xLabel: string;
  readonly yLabel: string;
  /** Row-major, between 0 and 1; the first row is at the top. */
  readonly rows: number;
  readonly columns: number;
  readonly values: ArrayLike<number>;
}

/** Cells from this share on say their value when pointed at. */
const WORTH_SAYING = 0.01;
/** In pixels. */
const [LOWEST_MAP, WIDEST_ROW] = [150, 26];
const KEY = [0, 0.25, 0.5, 0.75, 1];

interface Cell {
  readonly i: number;
  readonly j: number;
  readonly share: number;
}

/** Every fifth number, from 1. */
function ticks(count: number): number[] {
  const step = count > 12 ? 5 : count > 6 ? 2 : 1;
  return Array.from({ length: count }, (_, at) => at + 1).filter(
    (number) => number === 1 || number % step === 0,
  );
}

function svgOf({ title, xLabel, yLabel, rows, columns, values }: Heatmap): string {
  const cells: Cell[] = Array.from({ length: rows * columns }, (_, at) => ({
    i: Math.floor(at / columns) + 1,
    j: (at % columns) + 1,
    share: values[at] ?? 0,
  }));
  const [marginLeft, leastRight, marginTop, marginBottom] = [44, 14, 26, 40];
  const width = (CHART_WIDTH - marginLeft - leastRight) / Math.max(rows, columns);
  // A few rows would make too flat a map of square cells.
  const height = Math.max(width, Math.min(WIDEST_ROW, LOWEST_MAP / rows));
  // All heatmaps are equally wide, so that their texts are equally large.
  const marginRight = CHART_WIDTH - marginLeft - width * columns;
  return plotSvg(
    {
      width: CHART_WIDTH,
      height: marginTop + marginBottom + height * rows,
      marginLeft,
      marginRight,
      marginTop,
      marginBottom,
      padding: 0,
      x: { label: xLabel, type: 'band', ticks: ticks(columns), tickSize: 3 },
      y: { label: yLabel, type: 'band', ticks: ticks(rows), tickSize: 3 },
      opacity: { domain: [0, 1], range: [0, 1] },
      marks: [
        Plot.frame({ stroke: 'var(--line)' }),
        Plot.cell(cells, {
          x: 'j',
          y: 'i',
          fill: 'var(--blue)',
          fillOpacity: 'share',
          title: ({ i, j, share }: Cell) =>
            share < WORTH_SAYING ? null : `(${i}, ${j}): ${share.toFixed(4)}`,
          className: 'shares',
        }),
      ],
    },
    `${title}: ${yLabel} against ${xLabel}`,
  );
}

function key(share: number): Markup {
  return html`<li><i class="swatch" style="opacity:${share}"></i>${share}</li>`;
}

export function heatmapFigure(heatmap: Heatmap): Markup {
  return html`<figure data-chart="${heatmap.kind}">
<h4>${heatmap.title}</h4>
${new Markup(svgOf(heatmap))}
<ul class="legend">${KEY.map(key)}</ul>
<figcaption>${heatmap.caption}</figcaption>
</figure>
`;
}
