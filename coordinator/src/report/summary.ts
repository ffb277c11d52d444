// What `analyze` says at the end: one line a layer, then the run.
import { formatCount, formatDuration, formatNumber, formatPercent } from './number-format.js';
import { type Column, textTable } from './text-table.js';

/** The leading numbers of one layer; for a grouped convolution over the union of its blocks. */
export interface LayerSummary {
  readonly layer: string;
  readonly outDim: number;
  readonly inDim: number;
  readonly groups: number;
  /** The two largest eigenvalues of E[x x^T]; null where there is no second one. */
  readonly input: readonly [number | null, number | null];
  /** The two largest eigenvalues of E[M]. */
  readonly output: readonly [number | null, number | null];
  /** lambda_1 / lambda_2 of E[x x^T], the mean over groups; null where lambda_2 is 0 or absent. */
  readonly spectralRatio: number | null;
  /** (v_1 . E[x] / ||E[x]||)^2, the mean over groups; null where E[x] is 0. */
  readonly meanAlignment: number | null;
  /** The largest eigenvalue of E[M] (x) E[x x^T]. */
  readonly kronecker: number | null;
  /** The largest eigenvalue of the exact block; null where it was not asked for. */
  readonly exact: number | null;
}

export interface RunSummary {
  readonly model: string;
  readonly out: string;
  readonly samples: number;
  readonly lossName: string;
  /** Means over the data; null without labels. */
  readonly loss: number | null;
  readonly accuracy: number | null;
  readonly elapsedMs: number;
  readonly layers: readonly LayerSummary[];
  readonly skipped: readonly { readonly name: string; readonly reason: string }[];
  readonly warnings: readonly string[];
  readonly notes: readonly string[];
}

/** `120x256`, or `4x(8x9)` for four blocks of 8 x 9. */
export function formatShape(layer: {
  readonly outDim: number;
  readonly inDim: number;
  readonly groups: number;
}): string {
  const block = `${layer.outDim}x${layer.inDim}`;
  return layer.groups > 1 ? `${layer.groups}x(${block})` : block;
}

const COLUMNS: readonly Column[] = [
  { title: 'layer', align: 'left' },
  { title: 'shape', align: 'left' },
  { title: 'E[xx^T]\nlambda_1', align: 'right' },
  { title: '\nlambda_2', align: 'right' },
  { title: '\nratio', align: 'right' },
  { title: 'mean\nalignment', align: 'right' },
  { title: 'E[M]\nlambda_1', align: 'right' },
  { title: '\nlambda_2', align: 'right' },
  { title: 'Kronecker\nlambda_1', align: 'right' },
];
const EXACT_COLUMNS: readonly Column[] = [
  { title: 'exact\nlambda_1', align: 'right' },
  { title: 'Kron.\n/exact', align: 'right' },
];

/** The largest eigenvalue of the Kronecker product over that of the exact block. */
function ratio({ kronecker, exact }: LayerSummary): number | null {
  return kronecker === null || exact === null ? null : kronecker / exact;
}

/** The lines of the summary. */
export function renderSummary(summary: RunSummary): readonly string[] {
  const exact = summary.layers.some((layer) => layer.exact !== null);
  const rows = summary.layers.map((layer) => [
    layer.layer,
    formatShape(layer),
    formatNumber(layer.input[0]),
    formatNumber(layer.input[1]),
    formatNumber(layer.spectralRatio),
    layer.meanAlignment === null ? '-' : layer.meanAlignment.toFixed(4),
    formatNumber(layer.output[0]),
    formatNumber(layer.output[1]),
    formatNumber(layer.kronecker),
    ...(exact ? [formatNumber(layer.exact), formatNumber(ratio(layer))] : []),
  ]);
  const quality = [
    summary.loss === null ? 'no labels' : `${summary.lossName} ${formatNumber(summary.loss)}`,
    ...(summary.accuracy === null ? [] : [`accuracy ${formatPercent(summary.accuracy)}`]),
  ];
  return [
    ...textTable(exact ? [...COLUMNS, ...EXACT_COLUMNS] : COLUMNS, rows),
    '',
    ...summary.skipped.map(({ name, reason }) => `skipped ${name}: ${reason}`),
    ...summary.notes.map((note) => `note: ${note}`),
    ...summary.warnings.map((warning) => `warning: ${warning}`),
    `${summary.model}: ${formatCount(summary.samples)} samples, ${quality.join(', ')}, ` +
      `${formatDuration(summary.elapsedMs)}`,
    `results in ${summary.out}`,
  ];
}
