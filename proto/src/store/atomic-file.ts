// Writes a file whole or not at all.
import { randomBytes } from 'node:crypto';
import { open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { DiskFullError } from '../errors/kronlens-error.js';

/** What a temporary name ends in; such files are leftovers of killed processes. */
export const TEMPORARY_SUFFIX = '.tmp';

/**
 * Writes to a temporary name in the same folder, flushes, and renames.
 * @throws DiskFullError when the device is full; the temporary file is removed
 */
export async function writeFileAtomic(path: string, bytes: Uint8Array | string): Promise<void> {
  const temporary = `${path}.${process.pid}.${randomBytes(4).toString('hex')}${TEMPORARY_SUFFIX}`;
  try {
    const file = await open(temporary, 'wx');
    try {
      await file.writeFile(bytes);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw isDiskFull(error) ? new DiskFullError(dirname(path), error) : error;
  }
}

/** True for the errors by which a full device or an exhausted quota shows. */
export function isDiskFull(error: unknown): boolean {
  const code = (error as NodeJS.ErrnoException | undefined)?.code;
  return code === 'ENOSPC' || code === 'EDQUOT';
}
