// The run.json of a comparison: which runs, what came out, what was left out.
import { join } from 'node:path';
import { writeFileAtomic } from '@kronlens/proto';
import { RECORD_FILE, RECORD_FORMAT } from '../plan/run-record.js';
import type { LayerComparisonSummary } from '../results/index.js';
import { VERSION } from '../version.js';

/** One of the runs that are compared. */
export interface ComparedRun {
  readonly name: string;
  readonly path: string;
  readonly model: string;
  readonly sha256: string;
  readonly loss: number | null;
  readonly accuracy: number | null;
}

export interface ComparisonRecord {
  readonly format: typeof RECORD_FORMAT;
  readonly command: 'compare';
  /** "running" until every file is written. */
  readonly status: 'running' | 'finished';
  readonly version: string;
  readonly options: { readonly top: number | null; readonly trajectory: boolean };
  /** c: outputs of the models. */
  readonly outputs: number;
  readonly runs: readonly ComparedRun[];
  readonly layers: readonly LayerComparisonSummary[];
  readonly leftOut: readonly { readonly layer: string; readonly missingIn: readonly string[] }[];
  readonly warnings: readonly string[];
  readonly definitions: Readonly<Record<string, string>>;
  readonly versions: Readonly<Record<string, string>>;
  /** The only part that differs between equal comparisons. */
  readonly timings: { readonly started: string; readonly totalMs: number };
}

/** What the tables hold, in words. */
const DEFINITIONS = {
  overlap: '||U^T V||_F^2 / k of the top-k eigenspaces U and V of two runs',
  baseline: 'k / d, the expected overlap of random subspaces of d dimensions',
  standard_deviation: 'over the pairs of runs, divisor pairs - 1',
  predicted:
    '(k / m) (t1.t1)^2 for k <= m, t1 the top eigenvectors of E[x x^T] of the two runs, the mean over pairs; m is the output dimension, times the groups',
  holds: 'tau_m gamma_1 > tau_1 gamma_2 in both runs; tau: eigenvalues of E[M], gamma: of E[x x^T]',
  peak: 'the k at which overlap minus baseline is largest',
};

/** A record without what depends on how far the comparison is. */
export type RecordedComparison = Pick<
  ComparisonRecord,
  'options' | 'outputs' | 'runs' | 'layers' | 'leftOut' | 'warnings' | 'timings'
>;

export function comparisonRecord(
  status: ComparisonRecord['status'],
  { options, outputs, runs, layers, leftOut, warnings, timings }: RecordedComparison,
): ComparisonRecord {
  return {
    format: RECORD_FORMAT,
    command: 'compare',
    status,
    version: VERSION,
    options,
    outputs,
    runs,
    layers,
    leftOut,
    warnings,
    definitions: DEFINITIONS,
    versions: { kronlens: VERSION, node: process.version },
    timings,
  };
}

/** @throws DiskFullError */
export async function writeComparisonRecord(
  folder: string,
  record: ComparisonRecord,
): Promise<void> {
  await writeFileAtomic(join(folder, RECORD_FILE), `${JSON.stringify(record, null, 2)}\n`);
}
