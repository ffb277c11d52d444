// Keeps a second process out of a result folder; what a killed process leaves behind keeps nobody out.
import { randomBytes } from 'node:crypto';
import { open, readFile, rm, stat, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { notWritable } from './not-writable.js';
import { isRunning, ownerOf, type ProcessOwner, thisProcess } from './process-owner.js';
import { isEnding } from './process-start.js';
import { UsageError } from './usage-error.js';

export const LOCK_FILE = '.kronlens.lock';

/** In the name of a file that is tidied away like those of killed writers: see output-folder.ts. */
const GUARD = '0.00000000';

/** How often a holder touches its lock. */
const HEARTBEAT_MS = 5_000;
/** A lock of a process that cannot be seen from here is stale when nobody touches it for so long. */
const PATIENCE_MS = 30_000;
/** It shows after so long that a process was killed. */
const ENDING_MS = 300;

export interface FolderLock {
  /** Gives the folder free; harmless when it is gone. */
  release(): Promise<void>;
}

async function unlessMissing<T>(read: Promise<T>): Promise<T | undefined> {
  try {
    return await read;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

/** A process that was killed takes a while to go, one of much memory a long one. */
async function staysRunning(holder: ProcessOwner, own: ProcessOwner): Promise<boolean> {
  const end = performance.now() + ENDING_MS;
  while ((await isRunning(holder, own)) === true) {
    if (performance.now() > end && !(await isEnding(holder.pid))) return true;
    await sleep(20);
  }
  return false;
}

/** Whether the lock is being held: by asking for the process, or, elsewhere, by watching the lock. */
async function isHeld(path: string, text: string, own: ProcessOwner, patienceMs: number) {
  const holder = ownerOf(text);
  const running = holder === undefined ? undefined : await isRunning(holder, own);
  if (holder !== undefined && running === true) return await staysRunning(holder, own);
  if (running !== undefined) return running;
  const touched = async () => (await unlessMissing(stat(path)))?.mtimeMs;
  const before = await touched();
  const end = performance.now() + patienceMs;
  while (performance.now() < end) {
    await sleep(Math.min(500, patienceMs / 10));
    if ((await touched()) !== before) return (await touched()) !== undefined;
  }
  return false;
}

/**
 * Takes a stale lock away, one process at a time: whoever comes second would take away the lock that
 * the first has put there since.
 */
async function takeAway(folder: string, stale: string, patienceMs: number): Promise<void> {
  const path = join(folder, LOCK_FILE);
  const guard = `${path}.${GUARD}.tmp`;
  if (!(await create(folder, guard, ''))) {
    await sleep(20);
    const age = await unlessMissing(stat(guard));
    // Its process was killed in that very moment.
    if (age !== undefined && Date.now() - age.mtimeMs > patienceMs)
      await rm(guard, { force: true });
    return;
  }
  try {
    if ((await unlessMissing(readFile(path, 'utf8'))) === stale) await rm(path, { force: true });
  } finally {
    await rm(guard, { force: true });
  }
}

/** Creates a file. @returns false when it is there */
async function create(folder: string, path: string, text: string): Promise<boolean> {
  try {
    const file = await open(path, 'wx');
    try {
      await file.writeFile(text);
    } finally {
      await file.close();
    }
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw notWritable(folder, error);
  }
}

/**
 * Locks a folder, which must be there, until `release` or the end of the process, however it ends.
 * A lock left by a process of the same machine is known to be stale at once; one left elsewhere, on a
 * shared folder, after it was watched for `patienceMs`.
 * @throws UsageError when another process, or this one, holds it; BadInputError, DiskFullError
 */
export async function lockFolder(folder: string, patienceMs = PATIENCE_MS): Promise<FolderLock> {
  const path = join(folder, LOCK_FILE);
  const own = await thisProcess();
  const text = JSON.stringify({ ...own, token: randomBytes(8).toString('hex') });
  while (!(await create(folder, path, text))) {
    const found = await unlessMissing(readFile(path, 'utf8'));
    if (found === undefined) continue;
    if (await isHeld(path, found, own, patienceMs)) {
      const holder = ownerOf(found);
      const who =
        holder === undefined ? 'another process' : `process ${holder.pid} on ${holder.host}`;
      throw new UsageError(
        `--out ${folder} is being written by ${who}; wait until it has ended, or give another folder`,
      );
    }
    await takeAway(folder, found, patienceMs);
  }
  const beat = setInterval(() => {
    const now = new Date();
    // The folder may be gone, or the disk unreachable for a while.
    utimes(path, now, now).catch(() => {});
  }, HEARTBEAT_MS);
  beat.unref();
  return {
    async release() {
      clearInterval(beat);
      if ((await unlessMissing(readFile(path, 'utf8'))) === text) await rm(path, { force: true });
    },
  };
}
