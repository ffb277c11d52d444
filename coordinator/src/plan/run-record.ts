// The record of a run, run.json: what was asked, of what, what came out, and how long it took.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  BadInputError,
  type DataArray,
  KronlensError,
  type TaskResult,
  writeFileAtomic,
} from '@kronlens/proto';
import type { BlockSummary } from '../report/block-table.js';
import type { FullSummary, LayerSummary } from '../report/summary.js';
import { dtypeOf } from './element-types.js';
import { hardwareOf, sortedFacts } from './hardware-of.js';
import type { AnalysisOptions } from './options.js';
import type { RunClock } from './run-clock.js';

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

/** A model file that a run reads. */
export interface RecordedModel {
  readonly path: string;
  readonly sha256: string;
}

/** What makes two runs the same: their result files are then equal, byte for byte. */
export interface RunIdentity<Options = RecordedOptions> {
  readonly version: string;
  readonly model: RecordedModel;
  /** The untrained network, where the command takes one; null where none was given. */
  readonly init?: RecordedModel | null;
  readonly data: readonly RecordedArray[];
  readonly options: Options;
}

/** Options as asked for; null where the choice was left to the program. */
export type Recorded<Options> = {
  readonly [K in keyof Options]: undefined extends Options[K]
    ? Exclude<Options[K], undefined> | null
    : Options[K];
};
export type RecordedOptions = Recorded<AnalysisOptions>;

/** Commands whose runs can be resumed. */
export type RunCommand = 'analyze' | 'bound';

/** What the records of all commands begin with. */
export interface RecordHead<Options = object> extends RunIdentity<Options> {
  readonly format: number;
  readonly command: RunCommand;
  /** "running" until every file is written; "failed" when an error ended it. */
  readonly status: 'running' | 'failed' | 'finished';
  /** Why it failed. */
  readonly error?: string;
  /** The only part that differs between equal runs. */
  readonly timings: RunTimings;
}

export interface RunTimings {
  readonly started: string;
  readonly finished: string | null;
  readonly resumed: number;
  readonly parallel: number;
  readonly shard: number | null;
  readonly totalMs: number;
  readonly stagesMs: Readonly<Record<string, number>>;
}

export interface RunRecord extends RecordHead<RecordedOptions> {
  readonly command: 'analyze';
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
  /** Of parameters that were asked for; absent where there are none. */
  readonly blocks?: readonly BlockSummary[];
  /** Of all layers together; absent or null where it was not asked for. */
  readonly fullHessian?: FullSummary | null;
  /** Why measures of a layer are missing or end early. */
  readonly notes: readonly string[];
}

/** The options with null in place of undefined, keys in a fixed order. */
export function recordOptions<Options extends object>(options: Options): Recorded<Options> {
  const entries = Object.entries(options).sort(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(
    entries.map(([key, value]) => [key, value ?? null]),
  ) as Recorded<Options>;
}

/** @param prefix of the names, for arrays that are not what the model is measured on */
export function recordArrays(arrays: readonly DataArray[], prefix = ''): readonly RecordedArray[] {
  return arrays.map(({ name, path, member, type, shape, sha256 }) => ({
    name: prefix + name,
    path,
    member,
    type: dtypeOf(type) ?? 'unknown',
    shape: shape.map(Number),
    sha256,
  }));
}

/**
 * The record of a command's run in a folder; undefined where there is none.
 * @throws BadInputError when it is damaged, or another command's
 */
export async function readRecord<Head extends RecordHead>(
  folder: string,
  command: Head['command'],
): Promise<Head | undefined> {
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
    const record = JSON.parse(text) as Head;
    const isOurs = (record.command ?? 'analyze') === command;
    if (record.format === RECORD_FORMAT && isOurs && typeof record.status === 'string')
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
export async function writeRecord(folder: string, record: RecordHead): Promise<void> {
  await writeFileAtomic(join(folder, RECORD_FILE), `${JSON.stringify(record, null, 2)}\n`);
}

/** Writes the record of a failed run; the error itself matters more than a full disk. */
export async function writeFailure(folder: string, record: RecordHead): Promise<void> {
  await writeRecord(folder, record).catch((cause: unknown) => {
    if (!(cause instanceof KronlensError)) throw cause;
  });
}

/** Collects what computed the tasks of a run. */
export class HardwareLog {
  readonly #found = new Map<string, Readonly<Record<string, string>>>();

  /** Notes what computed a task. */
  readonly seen = (result: TaskResult): void => {
    for (const hardware of hardwareOf(result)) {
      const sorted = sortedFacts(hardware);
      if (sorted.length > 0) this.#found.set(JSON.stringify(sorted), Object.fromEntries(sorted));
    }
  };

  /** Distinct descriptions, in an order of their own. */
  get distinct(): readonly Readonly<Record<string, string>>[] {
    return [...this.#found.keys()].sort().map((key) => this.#found.get(key) ?? {});
  }
}

/** @param previous the record of the run that is gone on with */
export function runTimings(
  status: RecordHead['status'],
  previous: Pick<RecordHead, 'timings'> | undefined,
  clock: RunClock,
  { parallel, shard }: { readonly parallel: number; readonly shard?: number | undefined },
): RunTimings {
  return {
    started: previous?.timings.started ?? clock.started,
    finished: status === 'finished' ? new Date().toISOString() : null,
    resumed: previous === undefined ? 0 : previous.timings.resumed + 1,
    parallel,
    shard: shard ?? null,
    totalMs: clock.elapsedMs,
    stagesMs: { ...clock.stagesMs },
  };
}

const show = (value: Json | undefined): string =>
  value === null || value === undefined
    ? 'automatic'
    : Array.isArray(value)
      ? value.length === 0
        ? 'none'
        : value.join(',')
      : String(value);

/** Options whose flags are not their names with hyphens. */
const FLAGS: Readonly<Record<string, string>> = {
  measures: '--measure',
  blocks: '--block',
  memoryBytes: '--memory',
  variants: '--variant',
};

function flag(key: string): string {
  return FLAGS[key] ?? `--${key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
}

/** What of `wanted` differs from the run in the folder, as one clause; undefined where nothing does. */
export function difference(
  recorded: RunIdentity<object>,
  wanted: RunIdentity<object>,
): string | undefined {
  if (recorded.version !== wanted.version)
    return `it was started by version ${recorded.version}, this is ${wanted.version}`;
  const [earlier, current] = [recorded.options, wanted.options] as Record<string, Json>[];
  for (const key of Object.keys(wanted.options).sort()) {
    const [before, now] = [earlier?.[key] ?? null, current?.[key] ?? null];
    if (JSON.stringify(before) !== JSON.stringify(now))
      return `${flag(key)} was ${show(before)}, now it is ${show(now)}`;
  }
  if (recorded.model.sha256 !== wanted.model.sha256)
    return `the model differs: ${wanted.model.path} is not the file that it was started with (${recorded.model.path})`;
  if (recorded.init?.sha256 !== wanted.init?.sha256)
    return `--init was ${recorded.init?.path ?? 'not given'}, now it is ${wanted.init?.path ?? 'not given'}`;
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
