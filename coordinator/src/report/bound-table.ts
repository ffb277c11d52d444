// What `bound` shows: the bounds of all variants and what they are made of.
import type { BoundRow } from '@kronlens/proto';
import { formatCount, formatDuration, formatNumber } from './number-format.js';
import { type Column, textTable } from './text-table.js';

/** What the command line shows of a finished run. */
export interface BoundSummary {
  readonly model: string;
  readonly out: string;
  /** N. */
  readonly samples: number;
  readonly parameters: number;
  readonly confidence: number;
  readonly bounds: readonly BoundRow[];
  /** Of the trained network. */
  readonly trainedTrainError: number | null;
  readonly warnings: readonly string[];
  readonly elapsedMs: number;
}

const COLUMNS: readonly Column[] = [
  { title: 'variant', align: 'left' },
  { title: 'bound', align: 'right' },
  { title: 'KL', align: 'right' },
  { title: '1/2 log\nlambda', align: 'right' },
  { title: 'training\nerror bound', align: 'right' },
  { title: 'error of Q\ntraining', align: 'right' },
  { title: '\ntest', align: 'right' },
  { title: 'of its mean\ntraining', align: 'right' },
  { title: '\ntest', align: 'right' },
];

const share = (value: number | null) => (value === null ? '-' : value.toFixed(4));

/** The lines of the table, and one about the run. */
export function renderBounds(summary: BoundSummary): readonly string[] {
  const rows = summary.bounds.map((row) => [
    row.variant,
    share(row.bound),
    formatNumber(row.kl),
    row.half_log_lambda.toFixed(4),
    share(row.snn_error),
    share(row.train_error),
    share(row.test_error),
    share(row.mean_train_error),
    share(row.mean_test_error),
  ]);
  return [
    ...textTable(COLUMNS, rows),
    '',
    ...summary.warnings.map((warning) => `warning: ${warning}`),
    `${summary.model}: ${formatCount(summary.parameters)} parameters, N = ${formatCount(summary.samples)}, ` +
      `confidence ${formatNumber(summary.confidence)}, training error of the network itself ` +
      `${share(summary.trainedTrainError)}, ${formatDuration(summary.elapsedMs)}`,
    `results in ${summary.out}`,
  ];
}
