// The folder that a comparison writes to: when it may be used.
import { mkdir, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { BadInputError, DiskFullError, isDiskFull } from '@kronlens/proto';
import { RECORD_FILE } from '../plan/run-record.js';
import { UsageError } from '../plan/usage-error.js';

async function entries(path: string): Promise<readonly string[]> {
  try {
    return await readdir(path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') return [];
    if (code === 'ENOTDIR')
      throw new UsageError(`--out ${path} is a file or lies below one; give a folder`);
    throw error;
  }
}

/** A comparison that was killed while it wrote its files may be made again in its place. */
async function isUnfinishedComparison(path: string): Promise<boolean> {
  try {
    const record = JSON.parse(await readFile(join(path, RECORD_FILE), 'utf8')) as unknown;
    const { command, status } = Object(record) as Record<string, unknown>;
    return command === 'compare' && status === 'running';
  } catch {
    return false;
  }
}

/** @throws UsageError unless the folder is new, empty, or an unfinished comparison's */
export async function requireUsable(path: string): Promise<void> {
  if ((await entries(path)).length > 0 && !(await isUnfinishedComparison(path)))
    throw new UsageError(`--out ${path} is not empty: give another folder`);
}

/** @throws DiskFullError, BadInputError when it cannot be made */
export async function makeFolder(path: string): Promise<void> {
  try {
    await mkdir(path, { recursive: true });
  } catch (cause) {
    if (isDiskFull(cause)) throw new DiskFullError(path, cause);
    throw new BadInputError('not-writable', `--out ${path} cannot be made`, {}, cause);
  }
}
