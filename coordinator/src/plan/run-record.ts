// The record of a run, run.json: what was asked, of what, what came out, and how long it took.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { BadInputError, writeFileAtomic } from '@kronlens/proto';
import type { FullSummary, LayerSummary } from '../report/summary.js';
import type { AnalysisOptions } from './options.js';

/** The layout of run.json and of the result folder. */
export const RECORD_FORMAT = 1;
export const RECORD_FILE = 'run.json';

type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json };

/** One array that the run reads. */
export interface RecordedArray {
  /** The model's input that it feeds, or "y" for the labels. */
  readonly name: string;
  readonly path: string;
  /** Member of an .npz or column of an Arrow file; empty where the file holds one array. */
  readonly member: string;
  readonly type: string;
  readonly shape: readonly number[];
  readonly sha256: string;
}

/** What makes two runs the same: their result files are then equal, byte for byte. */
export interface RunIdentity {
  readonly version: string;
  readonly model: { readonly path: string; readonly sha256: string };
  readonly data: readonly RecordedArray[];
  readonly options: RecordedOptions;
}

/** The options as asked for; null where the choice was left to the program. */
export type RecordedOptions = {
  readonly [K in keyof AnalysisOptions]: undefined extends AnalysisOptions[K]
    ? Exclude<AnalysisOptions[K], undefined> | null
    : AnalysisOptions[K];
};

export interface RunRecord extends RunIdentity {
  readonly format: number;
  readonly command: 'analyze';
  /** "running" until every file is written; "failed" when an error ended it. */
  readonly status: 'running' | 'failed' | 'finished';
  /** Why it failed. */
  readonly error?: string;
  readonly opset: number;
  readonly outputs: number;
  /** What was chosen where the options left it open. */
  readonly resolved: {
    readonly loss: string;
    readonly samples: number;
    readonly batch: number;
    readonly programs: number;
    /** Logits for every token: tokens of a sample; absent for one row of logits a sample. */
    readonly tokensPerSample?: number;
  };
  readonly seeds: { readonly seed: number; readonly use: string };
  /** How the numbers are normalised, in words. */
  readonly normalisations: Readonly<Record<string, string>>;
  readonly skipped: readonly {
    readonly name: string;
    readonly op: string;
    readonly reason: string;
  }[];
  readonly warnings: readonly string[];
  readonly versions: Readonly<Record<string, string>>;
  /** Distinct descriptions of what computed the tasks. */
  readonly hardware: readonly Readonly<Record<string, string>>[];
  /** Tokens whose label is not the ignored one; absent without labels or tokens. */
  readonly countedTokens?: number;
  /** Means over the data; null without labels, accuracy also for mse. */
  readonly loss: number | null;
  readonly accuracy: number | null;
  readonly layers: readonly LayerSummary[];
  /** Of all layers together; absent or null where it was not asked for. */
  readonly fullHessian?: FullSummary | null;
  /** Why measures of a layer are missing or end early. */
  readonly notes: readonly string[];
  /** The only part that differs between equal runs. */
  readonly timings: {
    readonly started: string;
    readonly finished: string | null;
    readonly resumed: number;
    readonly parallel: number;
    readonly shard: number | null;
    readonly totalMs: number;
    readonly stagesMs: Readonly<Record<string, number>>;
  };
}

/** The options with null in place of undefined, keys in a fixed order. */
export function recordOptions(options: AnalysisOptions): RecordedOptions {
  const entries = Object.entries(options).sort(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(entries.map(([key, value]) => [key, value ?? null])) as RecordedOptions;
}

/** The record in a folder; undefined where there is none. @throws BadInputError when it is damaged */
export async function readRecord(folder: string): Promise<RunRecord | undefined> {
  const path = join(folder, RECORD_FILE);
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    throw error;
  }
  try {
    const record = JSON.parse(text) as RunRecord;
    const isAnalysis = (record.command ?? 'analyze') === 'analyze';
    if (record.format === RECORD_FORMAT && isAnalysis && typeof record.status === 'string')
      return record;
  } catch (cause) {
    throw new BadInputError('bad-run-record', `${path} is damaged; give another --out`, {}, cause);
  }
  throw new BadInputError(
    'bad-run-record',
    `${path} is no record of a run that this version can resume; give another --out`,
  );
}

/** @throws DiskFullError */
export async function writeRecord(folder: string, record: RunRecord): Promise<void> {
  await writeFileAtomic(join(folder, RECORD_FILE), `${JSON.stringify(record, null, 2)}\n`);
}

const show = (value: Json | undefined): string =>
  value === null || value === undefined
    ? 'automatic'
    : Array.isArray(value)
      ? value.length === 0
        ? 'none'
        : value.join(',')
      : String(value);

/** Option names as the user types them. */
const FLAGS: Partial<Record<keyof AnalysisOptions, string>> = {
  measures: '--measure',
  blocks: '--block',
  memoryBytes: '--memory',
};

function flag(key: string): string {
  return (
    FLAGS[key as keyof AnalysisOptions] ??
    `--${key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`
  );
}

/** What of `wanted` differs from the run in the folder, as one clause; undefined where nothing does. */
export function difference(recorded: RunIdentity, wanted: RunIdentity): string | undefined {
  if (recorded.version !== wanted.version)
    return `it was started by version ${recorded.version}, this is ${wanted.version}`;
  for (const key of Object.keys(wanted.options).sort() as (keyof AnalysisOptions)[]) {
    const [before, now] = [recorded.options[key] ?? null, wanted.options[key] ?? null];
    if (JSON.stringify(before) !== JSON.stringify(now))
      return `${flag(key)} was ${show(before)}, now it is ${show(now)}`;
  }
  if (recorded.model.sha256 !== wanted.model.sha256)
    return `the model differs: ${wanted.model.path} is not the file that it was started with (${recorded.model.path})`;
  const described = (arrays: readonly RecordedArray[]) =>
    arrays.map(({ name }) => `'${name}'`).join(', ');
  if (recorded.data.length !== wanted.data.length)
    return `it reads the arrays ${described(recorded.data)}, now there are ${described(wanted.data)}`;
  for (const [index, array] of wanted.data.entries()) {
    const before = recorded.data[index];
    if (
      before?.sha256 !== array.sha256 ||
      before.member !== array.member ||
      before.name !== array.name
    )
      return `the data differ: ${array.path} is not the file that it was started with (${before?.path})`;
  }
  return undefined;
}
