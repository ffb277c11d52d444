// A chart of lines and dots with its title, legend and notes: the figure that most of the report is made of.
import * as Plot from '@observablehq/plot';
import { formatNumber } from '../report/number-format.js';
import { linearLabel, logTicks } from './axis-ticks.js';
import { type Content, html, Markup } from './markup.js';
import type { SeriesStyle } from './palette.js';
import { plotSvg } from './plot-svg.js';

export interface Point {
  readonly x: number;
  readonly y: number;
  /** Half the height of a band around the point. */
  readonly spread?: number;
}

export interface Series {
  /** The class of its marks: `<id>` of the dots, `<id>-line`, `<id>-band`. */
  readonly id: string;
  readonly name: string;
  readonly style: SeriesStyle;
  readonly points: readonly Point[];
  /** Default: lines through dots; many points are drawn as a line alone. */
  readonly marks?: 'line' | 'dots';
}

export interface Chart {
  /** What the chart is, for links and tests, e.g. `spectrum`. */
  readonly kind: string;
  readonly title: string;
  /** What is shown and how to read it, in a sentence or two. */
  readonly caption: Content;
  readonly xLabel: string;
  readonly yLabel: string;
  /** Default: linear from 0. */
  readonly yScale?: 'linear' | 'log';
  /** The largest y of a linear scale; default: by the data. */
  readonly yMax?: number;
  readonly series: readonly Series[];
  /** Vertical lines with their names. */
  readonly marked?: readonly { readonly x: number; readonly name: string }[];
  /** A horizontal line. */
  readonly level?: number;
  /** x counts things: ticks at whole numbers only. */
  readonly wholeX?: boolean;
}

export const CHART_WIDTH = 380;
export const CHART_HEIGHT = 250;
/** Beyond this many points dots run into one another. */
const MOST_DOTS = 80;

interface Shown extends Series {
  readonly dots: boolean;
  readonly line: boolean;
}

function shown(series: Series, log: boolean): Shown {
  const points = series.points.filter(
    ({ x, y }) => Number.isFinite(x) && Number.isFinite(y) && (!log || y > 0),
  );
  const dots = series.marks !== 'line' && points.length <= MOST_DOTS;
  return { ...series, points, dots, line: series.marks !== 'dots' };
}

function marksOf({ id, name, style, points, dots, line }: Shown, xName: string): Plot.Markish[] {
  const { colour, symbol, dash } = style;
  const banded = points.filter(({ spread }) => spread !== undefined && spread > 0);
  return [
    banded.length > 1
      ? Plot.areaY(banded, {
          x: 'x',
          y1: ({ y, spread }: Point) => Math.max(0, y - (spread ?? 0)),
          y2: ({ y, spread }: Point) => y + (spread ?? 0),
          fill: colour,
          fillOpacity: 0.18,
          className: `${id}-band`,
        })
      : null,
    line
      ? Plot.line(points, {
          x: 'x',
          y: 'y',
          stroke: colour,
          strokeWidth: 1.5,
          ...(dash === undefined ? {} : { strokeDasharray: dash }),
          className: `${id}-line`,
        })
      : null,
    dots
      ? Plot.dot(points, {
          x: 'x',
          y: 'y',
          stroke: colour,
          fill: 'var(--card)',
          symbol,
          r: points.length > 30 ? 2 : 3,
          title: ({ x, y }: Point) => `${name}, ${xName} ${x}: ${Number(y.toPrecision(6))}`,
          className: id,
        })
      : null,
  ];
}

interface YAxis {
  readonly scale: Plot.ScaleOptions;
  readonly marks: readonly Plot.Markish[];
}

function yAxis(chart: Chart, all: readonly Point[]): YAxis {
  const label = chart.yLabel;
  const values = all.flatMap(({ y, spread }) => [y, y + (spread ?? 0)]);
  if (chart.level !== undefined) values.push(chart.level);
  const high = Math.max(...values);
  if (chart.yScale === 'log') {
    const least = Math.min(...all.map(({ y }) => y), chart.level ?? Number.POSITIVE_INFINITY);
    const [low, top] = least === high ? [least / 2, high * 2] : [least, high];
    const ticks = logTicks(low, top);
    // A logarithmic scale's own axis leaves out labels as it thinks best.
    const text = (value: number) => ticks.labels.get(value) ?? formatNumber(value);
    const marks = [Plot.gridY(ticks.values), Plot.axisY(ticks.values, { text, label })];
    return { scale: { type: 'log', domain: [low, top], label }, marks };
  }
  const low = Math.min(0, ...values);
  const domain = [low, chart.yMax ?? (high > low ? high : 1)];
  const nice = chart.yMax === undefined;
  const scale = { type: 'linear', label, domain, nice, grid: true, ticks: 5 } as const;
  return { scale: { ...scale, tickFormat: linearLabel }, marks: [] };
}

function svgOf(chart: Chart, series: readonly Shown[]): string {
  const all = series.flatMap(({ points }) => points);
  const xs = all.map(({ x }) => x);
  const [left, right] = [Math.min(...xs), Math.max(...xs)];
  const marked = (chart.marked ?? []).filter(({ x }) => x >= left && x <= right + 1);
  const y = yAxis(chart, all);
  const options: Plot.PlotOptions = {
    width: CHART_WIDTH,
    height: CHART_HEIGHT,
    marginLeft: 58,
    marginRight: 14,
    marginBottom: 40,
    marginTop: 26,
    x: {
      label: chart.xLabel,
      domain: left === right ? [left - 1, right + 1] : [left, right],
      ...(chart.wholeX === true && right - left < 7
        ? { ticks: [...new Set(xs)].sort((a, b) => a - b) }
        : { ticks: 6 }),
      tickFormat: linearLabel,
      inset: 6,
    },
    y: y.scale,
    marks: [
      ...y.marks,
      Plot.ruleX(marked, {
        x: 'x',
        stroke: 'var(--muted)',
        strokeDasharray: '1 3',
        className: 'marked',
      }),
      chart.level === undefined
        ? null
        : Plot.ruleY([chart.level], {
            stroke: 'var(--muted)',
            strokeDasharray: '1 3',
            className: 'level',
          }),
      ...series.flatMap((each) => marksOf(each, chart.xLabel)),
      ...(['start', 'end'] as const).map((textAnchor) =>
        Plot.text(
          // Names of lines far to the right stand on their left.
          marked.filter(({ x }) => x - left > 0.6 * (right - left) === (textAnchor === 'end')),
          {
            x: 'x',
            text: 'name',
            frameAnchor: 'bottom',
            textAnchor,
            dx: textAnchor === 'start' ? 4 : -4,
            dy: -4,
            fill: 'var(--muted)',
            stroke: 'var(--card)',
            strokeWidth: 4,
            className: 'marked-name',
          },
        ),
      ),
    ],
  };
  const names = series.map(({ name }) => name).join(', ');
  return plotSvg(options, `${chart.title}: ${chart.yLabel} over ${chart.xLabel}; ${names}`);
}

/** One entry of a legend, drawn as the series is. */
function legendEntry({ name, style, dots, line }: Shown): Markup {
  const [x1, x2] = [-1, 1];
  const ends = [
    { x: x1, y: 0 },
    { x: x2, y: 0 },
  ];
  const { colour, symbol, dash } = style;
  const svg = plotSvg(
    {
      width: 30,
      height: 14,
      margin: 0,
      x: { domain: [-1.2, 1.2], axis: null },
      y: { domain: [-1, 1], axis: null },
      marks: [
        line
          ? Plot.line(ends, {
              x: 'x',
              y: 'y',
              stroke: colour,
              strokeWidth: 1.5,
              ...(dash === undefined ? {} : { strokeDasharray: dash }),
            })
          : null,
        dots
          ? Plot.dot([{ x: 0, y: 0 }], {
              x: 'x',
              y: 'y',
              stroke: colour,
              fill: 'var(--card)',
              symbol,
              r: 3,
            })
          : null,
      ],
    },
    '',
  );
  return html`<li>${new Markup(svg)}${name}</li>`;
}

/** A chart as a figure; undefined where none of its series has a point. */
export function figure(chart: Chart): Markup | undefined {
  const log = chart.yScale === 'log';
  const series = chart.series
    .map((each) => shown(each, log))
    .filter(({ points }) => points.length > 0);
  if (series.length === 0) return undefined;
  const hidden = log
    ? chart.series.reduce((sum, { points }) => sum + points.filter(({ y }) => y <= 0).length, 0)
    : 0;
  const note =
    hidden === 0
      ? ''
      : ` ${hidden} ${hidden === 1 ? 'value' : 'values'} of 0 or below cannot be shown on this scale.`;
  return html`<figure data-chart="${chart.kind}">
<h4>${chart.title}</h4>
${new Markup(svgOf(chart, series))}
<ul class="legend">${series.map(legendEntry)}</ul>
<figcaption>${chart.caption}${note}</figcaption>
</figure>
`;
}
