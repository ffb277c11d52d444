// Charts of measures along the checkpoints of one training.
import type { TrajectoryRow } from '@kronlens/proto';
import type { ComparisonResults } from '../results/index.js';
import { type Chart, figure, type Series } from './chart.js';
import { operatorTitle } from './layer-charts.js';
import type { Markup } from './markup.js';
import { measureWords } from './measure-words.js';
import { cycledStyle, STYLES } from './palette.js';

const WHOLE = new Set(['kron', 'ggn', 'hessian']);
const LOGARITHMIC = new Set(['eigenvalue', 'loss', 'trace', 'spectral_ratio']);

/** Rows that make one chart. */
interface Bundle {
  readonly measure: string;
  readonly operator: string | null;
  readonly k: number | null;
  readonly rows: readonly TrajectoryRow[];
}

/**
 * Of the measures over k one k is followed: 1 of eigenvalues and ranks, of others c - 1, or the
 * nearest below it.
 */
function followed(measure: string, ks: readonly number[], outliers: number): number | undefined {
  const wanted = measure === 'eigenvalue' || measure === 'matricised_rank_ratio' ? 1 : outliers;
  const sorted = [...ks].sort((a, b) => a - b);
  return sorted.findLast((k) => k <= wanted) ?? sorted[0];
}

function bundles(rows: readonly TrajectoryRow[], outliers: number): readonly Bundle[] {
  const kinds = new Map<string, TrajectoryRow[]>();
  for (const row of rows) {
    // Overlaps of factors say less than those of the whole weight.
    if (row.measure.startsWith('overlap_with_') && !WHOLE.has(row.operator ?? '')) continue;
    if (row.measure === 'eigenvalue' && /^g\d+\./.test(row.operator ?? '')) continue;
    const key = `${row.measure}/${row.operator ?? ''}`;
    kinds.set(key, [...(kinds.get(key) ?? []), row]);
  }
  return [...kinds.values()].map((own) => {
    const [{ measure, operator } = { measure: '', operator: null }] = own;
    const ks = [...new Set(own.flatMap(({ k }) => (k === null ? [] : [k])))];
    const k = followed(measure, ks, outliers) ?? null;
    return { measure, operator, k, rows: own.filter((row) => row.k === k) };
  });
}

function titleOf({ measure, operator, k }: Bundle): string {
  const of = operator === null ? '' : ` of ${operatorTitle(operator)}`;
  if (measure === 'eigenvalue') return `Largest eigenvalue${of}`;
  const at = k === null ? '' : ` at k = ${k}`;
  const { title } = measureWords(measure);
  return `${title.replace(/^[a-z]/, (letter) => letter.toUpperCase())}${of}${at}`;
}

function chartOf(bundle: Bundle, layers: readonly string[], runs: readonly string[]): Chart {
  const { measure, rows } = bundle;
  const points = (own: readonly TrajectoryRow[]) =>
    own.map(({ step, value }) => ({ x: step, y: value }));
  const whole = rows.filter(({ layer }) => layer === null);
  const series: readonly Series[] = [
    { id: 'model', name: measure, style: STYLES.exact, points: points(whole) },
    ...layers.map((layer, index) => ({
      id: `layer-${index + 1}`,
      name: layer,
      style: cycledStyle(index),
      points: points(rows.filter((row) => row.layer === layer)),
    })),
  ];
  const log = LOGARITHMIC.has(measure) && rows.every(({ value }) => value > 0);
  const { explanation } = measureWords(measure);
  const ends = `Step 0 is ${runs[0]}, step ${runs.length - 1} is ${runs.at(-1)}.`;
  return {
    kind: `trajectory_${measure}${bundle.operator === null ? '' : `_${bundle.operator}`}`,
    title: titleOf(bundle),
    caption: explanation === '' ? ends : `${explanation.replace(/\.$/, '')}. ${ends}`,
    xLabel: 'step',
    yLabel: measure.startsWith('overlap_with_') ? 'overlap' : measure.replaceAll('_', ' '),
    yScale: log ? 'log' : 'linear',
    wholeX: true,
    series,
  };
}

/** One chart a measure, one line a layer; none without rows. */
export function trajectoryFigures(
  rows: readonly TrajectoryRow[],
  { layers, outputs }: Pick<ComparisonResults['facts'], 'layers' | 'outputs'>,
): readonly Markup[] {
  const runs: string[] = [];
  for (const { step, run } of rows) runs[step] = run;
  const named = [
    ...new Set([...layers.map(({ layer }) => layer), ...rows.flatMap(({ layer }) => layer ?? [])]),
  ];
  return bundles(rows, outputs - 1).flatMap((bundle) => figure(chartOf(bundle, named, runs)) ?? []);
}
