// The charts of one layer of one run: spectra, overlaps, ranks, and whatever else is measured over k.
import { formatNumber } from '../report/number-format.js';
import { negativeSizes, numericalRank, type Spectrum } from '../results/index.js';
import { type Chart, figure, type Series } from './chart.js';
import { densityCharts } from './density-chart.js';
import type { LayerData, MeasureCurve } from './layer-data.js';
import type { Markup } from './markup.js';
import { measureWords } from './measure-words.js';
import { operatorStyle, type SeriesStyle, STYLES } from './palette.js';

/** Eigenvalues of a factor that are drawn. */
const SCREE = 100;
/** Eigenvalues of the whole weight that are drawn, unless there are more Kronecker eigenvalues. */
const SPECTRUM = 50;

const OPERATOR_NAMES: Readonly<Record<string, string>> = {
  kron: 'Kronecker E[M] ⊗ E[xxᵀ]',
  ggn: 'exact H (Gauss-Newton)',
  hessian: 'exact Hessian',
  ekfac: 'EKFAC',
  approximate: 'approximation ⊕ u ⊗ E[x̃]',
};

/** The name of an operator for people. */
export function operatorTitle(operator: string): string {
  const group = /^g(\d+)\.(input|output)$/.exec(operator);
  const factor = group?.[2] ?? operator;
  const suffix = group === null ? '' : `, group ${group[1]}`;
  if (factor === 'input') return `E[xxᵀ]${suffix}`;
  if (factor === 'output') return `E[M]${suffix}`;
  return OPERATOR_NAMES[operator] ?? operator;
}

/** `g0.input` makes the class `g0-input`. */
export function operatorClass(operator: string): string {
  return operator.replace(/[^A-Za-z0-9]/g, '-');
}

const isFactor = (operator: string) => /^(g\d+\.)?(input|output)$/.test(operator);

const outlierMark = (outliers: number | undefined) =>
  outliers === undefined ? [] : [{ x: outliers, name: `c − 1 = ${outliers}` }];

function screeSeries(operator: string, { eigenvalues }: Spectrum): Series {
  const largest = eigenvalues[0] ?? 0;
  return {
    id: operatorClass(operator),
    name: `${operatorTitle(operator)}, λ₁ = ${formatNumber(largest)}`,
    style: operatorStyle(operator),
    points: eigenvalues
      .slice(0, Math.min(SCREE, numericalRank(eigenvalues)))
      .map((value, index) => ({ x: index + 1, y: value / largest })),
  };
}

function scree({ row, spectra }: LayerData, outliers: number | undefined): Chart {
  const factors = [...spectra].filter(([operator]) => isFactor(operator));
  const longest = Math.max(0, ...factors.map(([, { eigenvalues }]) => eigenvalues.length));
  const dimensions = `${row.groups > 1 ? `${row.groups} groups of ` : ''}n = ${row.in_dim}, m = ${row.out_dim}`;
  return {
    kind: 'scree',
    title: 'Scree of both factors',
    caption: `Eigenvalues of the input autocorrelation E[xxᵀ] and the output Hessian E[M], relative to the largest (${dimensions}).${longest > SCREE ? ` The first ${SCREE} are shown.` : ''}`,
    xLabel: 'index i',
    yLabel: 'λᵢ / λ₁',
    yScale: 'log',
    wholeX: true,
    series: factors.map(([operator, spectrum]) => screeSeries(operator, spectrum)),
    marked: outlierMark(outliers),
  };
}

/** The eigenvalues of whole blocks, and those below 0 at their size. */
export function spectrum(
  { spectra }: Pick<LayerData, 'spectra'>,
  outliers: number | undefined,
): Chart {
  const whole = [...spectra].filter(([operator]) => !isFactor(operator));
  const exact = whole.some(([operator]) => operator !== 'kron');
  const joined = spectra.has('approximate');
  const most = Math.max(SPECTRUM, spectra.get('kron')?.eigenvalues.length ?? 0);
  const notes = whole.flatMap(([operator, { eigenvalues, converged }]) => {
    const told = numericalRank(eigenvalues) + negativeSizes(eigenvalues).length;
    const zeros = Math.min(most, eigenvalues.length) - told;
    return [
      ...(eigenvalues.length > most
        ? [`The first ${most} of ${eigenvalues.length} of ${operatorTitle(operator)} are shown.`]
        : []),
      ...(zeros > 0 ? [`${zeros} of ${operatorTitle(operator)} cannot be told from 0.`] : []),
      ...(operator === 'hessian' && negativeSizes(eigenvalues).length > 0
        ? ['Those below 0 are drawn at their size, the smallest first.']
        : []),
      ...(converged < eigenvalues.length
        ? [`Of ${operatorTitle(operator)} only the first ${converged} have converged.`]
        : []),
    ];
  });
  return {
    kind: 'spectrum',
    title: joined
      ? 'Eigenvalues, exact and approximate'
      : exact
        ? 'Eigenvalues, exact and Kronecker'
        : 'Eigenvalues of the Kronecker product',
    caption: [
      "The largest eigenvalues of the layer's curvature.",
      ...(outliers === undefined ? [] : ['Theory expects c − 1 outliers for c classes.']),
      ...notes,
    ].join(' '),
    xLabel: 'index i',
    yLabel: 'eigenvalue λᵢ',
    yScale: 'log',
    wholeX: true,
    series: whole.flatMap(([operator, { eigenvalues }]) => {
      const own = {
        id: operatorClass(operator),
        name: operatorTitle(operator),
        style: operatorStyle(operator),
        points: pointsOf(eigenvalues.slice(0, Math.min(most, numericalRank(eigenvalues)))),
      };
      const sizes = negativeSizes(eigenvalues).slice(0, most);
      if (operator !== 'hessian' || sizes.length === 0) return [own];
      const below = {
        id: `${own.id}-negative`,
        name: `${own.name}, below 0`,
        style: { ...STYLES.other, symbol: 'square', dash: '5 3' } as const,
        points: pointsOf(sizes),
      };
      return [own, below];
    }),
    marked: outlierMark(outliers),
  };
}

const pointsOf = (values: readonly number[]) =>
  values.map((value, index) => ({ x: index + 1, y: value }));

/** What the charts of known measures have beyond those of unknown ones. */
function special(
  curve: MeasureCurve,
  { row }: LayerData,
): Partial<Chart> & { readonly style?: SeriesStyle; readonly more?: readonly Series[] } {
  switch (curve.measure.replace(/_hessian$/, '')) {
    case 'eigenspace_overlap':
    case 'eigenspace_overlap_full':
      return {
        yLabel: 'overlap',
        yMax: 1,
        style: STYLES.exact,
        more: [
          {
            id: 'baseline',
            name: `random, k/d with d = ${row.params}`,
            style: STYLES.baseline,
            points: curve.points.map(({ x }) => ({ x, y: Math.min(1, x / row.params) })),
            marks: 'line',
          },
        ],
      };
    case 'eigenvalue_ratio':
    case 'eigenvalue_ratio_full':
      return { yLabel: 'ratio', yScale: 'log', level: 1, style: STYLES.kronecker };
    case 'matricised_rank_ratio':
      return { yLabel: 'ratio', yMax: 1, xLabel: 'eigenvector i', style: STYLES.exact };
    default:
      return {};
  }
}

function measured(curve: MeasureCurve, data: LayerData, outliers: number | undefined): Chart {
  const { title, explanation } = measureWords(curve.measure);
  const { style = STYLES.other, more = [], ...changes } = special(curve, data);
  return {
    kind: curve.measure,
    title,
    caption: explanation,
    xLabel: 'k',
    yLabel: 'value',
    wholeX: true,
    series: [{ id: 'measured', name: title, style, points: curve.points }, ...more],
    marked: outlierMark(outliers),
    ...changes,
  };
}

/** @param outliers c - 1, to be marked; undefined: nothing is marked */
export function layerCharts(data: LayerData, outliers: number | undefined): readonly Markup[] {
  const charts = [
    scree(data, outliers),
    spectrum(data, outliers),
    ...densityCharts(data),
    ...data.curves.map((curve) => measured(curve, data, outliers)),
  ];
  return charts.flatMap((chart) => figure(chart) ?? []);
}
