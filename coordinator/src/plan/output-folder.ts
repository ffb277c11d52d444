// The folder that a run writes to: when it may be used, and what is tidied away.
import { lstat, mkdir, readdir, rm, rmdir } from 'node:fs/promises';
import { join } from 'node:path';
import { LOCK_FILE, lockFolder } from './folder-lock.js';
import { notWritable } from './not-writable.js';
import {
  difference,
  RECORD_FILE,
  type RecordHead,
  type RunIdentity,
  type RunRecord,
  readRecord,
} from './run-record.js';
import { UsageError } from './usage-error.js';

/** The subfolder of artifacts and recorded results; it is gone when the run is finished. */
export const WORK_FOLDER = '.kronlens';
const SUBFOLDERS = [
  'factors',
  'eigenvectors',
  'correspondence',
  'full',
  'class_means',
  'posterior',
];
const LEFTOVER = /\.\d+\.[0-9a-f]{8}\.tmp$/;

/** What is in a folder that a run is to use. */
export interface OutputFolder<Head extends RecordHead = RunRecord> {
  readonly path: string;
  /** The run that `--resume` is to go on with; undefined for a new one. */
  readonly previous: Head | undefined;
  /** The folder was not there before. */
  readonly isNew: boolean;
}

/**
 * @returns undefined when there is no such folder
 * @throws UsageError when there cannot be one
 */
async function entries(path: string): Promise<string[] | undefined> {
  try {
    return await readdir(path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') return undefined;
    if (code === 'ENOTDIR')
      throw new UsageError(`--out ${path} is a file or lies below one; give a folder`);
    throw error;
  }
}

/**
 * Whether there is a file in the folder or below it that somebody may want. What a process that was killed
 * leaves when it has only begun is none: empty folders, half-written files, its lock.
 */
export async function holdsFiles(path: string): Promise<boolean> {
  for (const name of (await entries(path)) ?? []) {
    if (LEFTOVER.test(name) || name === LOCK_FILE) continue;
    const entry = join(path, name);
    if (!(await lstat(entry)).isDirectory() || (await holdsFiles(entry))) return true;
  }
  return false;
}

/**
 * Looks at the folder; nothing is written.
 * @throws UsageError when it is not empty without `resume`, or holds something else than a run
 */
export async function inspectOutputFolder<Head extends RecordHead = RunRecord>(
  path: string,
  resume: boolean,
  command: Head['command'] = 'analyze',
): Promise<OutputFolder<Head>> {
  const found = await entries(path);
  if (!(await holdsFiles(path))) return { path, previous: undefined, isNew: found === undefined };
  const previous = found?.includes(RECORD_FILE) ? await readRecord<Head>(path, command) : undefined;
  if (!resume) {
    const remedy =
      previous === undefined
        ? 'give another folder'
        : previous.status === 'finished'
          ? 'it holds a finished run; give another folder'
          : 'it holds an unfinished run; add --resume to finish it, or give another folder';
    throw new UsageError(`--out ${path} is not empty: ${remedy}`);
  }
  if (previous === undefined)
    throw new UsageError(`--resume: ${path} holds no run (it has no ${RECORD_FILE})`);
  return { path, previous, isNew: false };
}

/** @throws UsageError when the folder's run is another one than the wanted one */
function requireSameRun(folder: OutputFolder<RecordHead>, wanted: RunIdentity<object>): void {
  const other = folder.previous && difference(folder.previous, wanted);
  if (other !== undefined)
    throw new UsageError(
      `--resume: ${folder.path} holds another run: ${other}; give the same again, or another --out`,
    );
}

/**
 * Works in a run's folder while no other process does.
 * @param found what `look` saw before the run was prepared
 * @throws UsageError when the folder holds another run or another process works in it;
 *   BadInputError when it cannot be written to, DiskFullError
 */
export async function inFolderOfRun<Head extends RecordHead, T>(
  found: OutputFolder<Head>,
  look: () => Promise<OutputFolder<Head>>,
  wanted: RunIdentity<object>,
  work: (folder: OutputFolder<Head>) => Promise<T>,
): Promise<T> {
  requireSameRun(found, wanted);
  return await inLockedFolder(found, async () => {
    // Another process may have used it since.
    const { previous } = await look();
    const folder = { ...found, previous };
    requireSameRun(folder, wanted);
    return await work(folder);
  });
}

/**
 * Makes the folder, and works in it while no other process does.
 * @throws UsageError when another process does; BadInputError when it cannot be written to, DiskFullError
 */
async function inLockedFolder<T>(
  { path, isNew }: Pick<OutputFolder, 'path' | 'isNew'>,
  work: () => Promise<T>,
): Promise<T> {
  await makeFolders(path, ['.']);
  const lock = await lockFolder(path);
  try {
    return await work();
  } finally {
    await lock.release();
    if (isNew && (await entries(path))?.length === 0) await rmdir(path);
  }
}

/** Makes the folder and its subfolders and removes what killed processes left half-written. */
export async function prepareOutputFolder(path: string): Promise<void> {
  await makeFolders(path, SUBFOLDERS);
  await removeLeftovers([path, ...SUBFOLDERS.map((name) => join(path, name))]);
}

/** Removes what killed processes left half-written in these folders, which need not be there. */
export async function removeLeftovers(folders: Iterable<string>): Promise<void> {
  for (const folder of folders) {
    for (const name of (await entries(folder)) ?? [])
      if (LEFTOVER.test(name)) await rm(join(folder, name), { force: true });
  }
}

async function makeFolders(path: string, names: readonly string[]): Promise<void> {
  try {
    for (const name of names) await mkdir(join(path, name), { recursive: true });
  } catch (cause) {
    throw notWritable(path, cause);
  }
}

/** Removes the artifacts of a finished run, and subfolders that stayed empty. */
export async function tidyOutputFolder(path: string): Promise<void> {
  await rm(join(path, WORK_FOLDER), { recursive: true, force: true });
  await removeEmpty(path);
}

async function removeEmpty(path: string): Promise<void> {
  for (const name of SUBFOLDERS) {
    const folder = join(path, name);
    if ((await entries(folder))?.length === 0) await rmdir(folder);
  }
}

/**
 * Takes back what a run has put there, unless it has written results already: for input that turned
 * out to be bad, so that the corrected command finds the folder as it was.
 * @returns whether the folder is as it was
 */
export async function withdrawOutputFolder({
  path,
  isNew,
}: Pick<OutputFolder, 'path' | 'isNew'>): Promise<boolean> {
  await removeEmpty(path);
  const ours = [WORK_FOLDER, RECORD_FILE, LOCK_FILE];
  const held = (await entries(path)) ?? [];
  if (held.some((name) => !ours.includes(name))) return false;
  for (const name of ours) await rm(join(path, name), { recursive: true, force: true });
  if (isNew) await rmdir(path);
  return true;
}
