// What `analyze` says at the end: one line a layer, then the run.
import { type BlockSummary, blockTable } from './block-table.js';
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
  /** Of the exact block; null where it was not asked for. */
  readonly exact: ExactSummary | null;
  readonly explained?: ExplainedSummary;
}

/** What else is known of a layer; null where it is not defined or was not asked for. */
export interface ExplainedSummary {
  /** Overlap of the heuristic output eigenspace. */
  readonly heuristic: number | null;
  /** Shares of the traces of E[M] and H that class and cross-class means explain. */
  readonly outputShare: number | null;
  readonly blockShare: number | null;
}

/** The exact block of one layer beside its Kronecker product; null where a number is not defined. */
export interface ExactSummary {
  /** lambda_1. */
  readonly largest: number | null;
  /** Rank of the loss's Hessian in the logits, c - 1 for cross-entropy: the expected outliers. */
  readonly outliers: number;
  /** Overlap of the top `outliers` eigenspaces. */
  readonly overlap: number | null;
  /** Matricised rank ratio, the mean over the top `outliers` eigenvectors. */
  readonly rankRatio: number | null;
  /** ||H - K|| / ||H|| in the spectral and the Frobenius norm. */
  readonly spectralError: number | null;
  readonly frobeniusError: number | null;
}

/** All layers together, exact and as approximated from the stacked output Hessian. */
export interface FullSummary {
  /** Weights and biases. */
  readonly weights: number;
  /** lambda_1 of the Gauss-Newton matrix. */
  readonly largest: number;
  /** Approximate over exact lambda_1; null where that is 0. */
  readonly ratio: number | null;
  readonly outliers: number;
  /** Overlap of the top `outliers` eigenspaces; null where it is not defined. */
  readonly overlap: number | null;
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
  /** Of parameters that were asked for. */
  readonly blocks?: readonly BlockSummary[];
  readonly skipped: readonly { readonly name: string; readonly reason: string }[];
  readonly warnings: readonly string[];
  /** Where it was asked for. */
  readonly fullHessian?: FullSummary | null;
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
const EXACT_COLUMNS = (outliers: number): readonly Column[] => [
  { title: 'layer', align: 'left' },
  { title: 'exact\nlambda_1', align: 'right' },
  { title: 'Kronecker\n/ exact', align: 'right' },
  { title: `overlap at\nk = ${outliers}`, align: 'right' },
  { title: `rank ratio,\nmean of ${outliers}`, align: 'right' },
  { title: 'decoupling error\nspectral', align: 'right' },
  { title: '\nFrobenius', align: 'right' },
];

/** The exact blocks; no lines where there are none. */
function exactTable(layers: readonly LayerSummary[]): readonly string[] {
  const outliers = layers.map(({ exact }) => exact?.outliers).find((count) => count !== undefined);
  if (outliers === undefined) return [];
  const share = (value: number | null) => (value === null ? '-' : value.toFixed(3));
  const rows = layers.flatMap(({ layer, kronecker, exact }) => {
    if (exact === null) return [];
    const { largest, overlap, rankRatio, spectralError, frobeniusError } = exact;
    const ratio = kronecker === null || largest === null ? null : kronecker / largest;
    return [
      [
        layer,
        formatNumber(largest),
        share(ratio),
        share(overlap),
        share(rankRatio),
        share(spectralError),
        share(frobeniusError),
      ],
    ];
  });
  return ['', ...textTable(EXACT_COLUMNS(outliers), rows)];
}

const EXPLAINED_COLUMNS: readonly Column[] = [
  { title: 'layer', align: 'left' },
  { title: 'heuristic\noverlap', align: 'right' },
  { title: 'class means\nof E[M]', align: 'right' },
  { title: '\nof H', align: 'right' },
];

/** What weights behind and class means explain; columns without a value are left out. */
function explainedTable(layers: readonly LayerSummary[]): readonly string[] {
  const share = (value: number | null) => (value === null ? '-' : value.toFixed(3));
  const rows = layers.flatMap(({ layer, explained }) => {
    if (explained === undefined) return [];
    const { heuristic, outputShare, blockShare } = explained;
    const values = [heuristic, outputShare, blockShare];
    return values.every((value) => value === null) ? [] : [[layer, ...values.map(share)]];
  });
  const used = EXPLAINED_COLUMNS.map(
    (_, column) => column === 0 || rows.some((row) => row[column] !== '-'),
  );
  const kept = <T>(cells: readonly T[]) => cells.filter((_, column) => used[column]);
  return rows.length === 0 ? [] : ['', ...textTable(kept(EXPLAINED_COLUMNS), rows.map(kept))];
}

/** The full Hessian; no line where it was not asked for. */
function fullLines(full: FullSummary | null | undefined): readonly string[] {
  if (full === null || full === undefined) return [];
  const share = (value: number | null) => (value === null ? '-' : value.toFixed(3));
  return [
    '',
    `all layers, ${formatCount(full.weights)} weights and biases: lambda_1 ${formatNumber(full.largest)}, approximate / exact ${share(full.ratio)}, overlap at k = ${full.outliers} ${share(full.overlap)}`,
  ];
}

/** The lines of the summary. */
export function renderSummary(summary: RunSummary): readonly string[] {
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
  ]);
  const quality = [
    summary.loss === null ? 'no labels' : `${summary.lossName} ${formatNumber(summary.loss)}`,
    ...(summary.accuracy === null ? [] : [`accuracy ${formatPercent(summary.accuracy)}`]),
  ];
  return [
    ...textTable(COLUMNS, rows),
    ...exactTable(summary.layers),
    ...explainedTable(summary.layers),
    ...blockTable(summary.blocks ?? []),
    ...fullLines(summary.fullHessian),
    '',
    ...summary.skipped.map(({ name, reason }) => `skipped ${name}: ${reason}`),
    ...summary.notes.map((note) => `note: ${note}`),
    ...summary.warnings.map((warning) => `warning: ${warning}`),
    `${summary.model}: ${formatCount(summary.samples)} samples, ${quality.join(', ')}, ` +
      `${formatDuration(summary.elapsedMs)}`,
    `results in ${summary.out}`,
  ];
}
