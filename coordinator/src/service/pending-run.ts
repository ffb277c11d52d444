// A result folder that waits for a run on a cluster: a note in it says which, so that it can be taken up again.
import { mkdir, readFile, rm, rmdir } from 'node:fs/promises';
import { join } from 'node:path';
import { writeFileAtomic } from '@kronlens/proto';
import { holdsFiles, WORK_FOLDER } from '../plan/output-folder.js';
import { UsageError } from '../plan/usage-error.js';

const NOTE = 'cluster-run.json';

/** The run that a folder waits for. */
export interface PendingRun {
  readonly run: string;
  /** The NATS server, without a password. */
  readonly url: string;
}

/** @returns undefined when the folder waits for none */
export async function pendingRun(out: string): Promise<PendingRun | undefined> {
  try {
    const { run, url } = JSON.parse(await readFile(join(out, WORK_FOLDER, NOTE), 'utf8'));
    return typeof run === 'string' && typeof url === 'string' ? { run, url } : undefined;
  } catch {
    return undefined;
  }
}

export async function awaitRun(out: string, pending: PendingRun): Promise<void> {
  await mkdir(join(out, WORK_FOLDER), { recursive: true });
  await writeFileAtomic(join(out, WORK_FOLDER, NOTE), `${JSON.stringify(pending)}\n`);
}

/**
 * Makes sure, before a run is submitted, that the folder can take its results.
 * @throws the file system's error
 */
export async function makeReady(out: string): Promise<void> {
  await mkdir(join(out, WORK_FOLDER), { recursive: true });
}

/** The folder waits no longer; it is removed when there is nothing in it. */
export async function awaitNoRun(out: string): Promise<void> {
  await rm(join(out, WORK_FOLDER), { recursive: true, force: true });
  await rmdir(out).catch(() => {});
}

/**
 * For a run whose results are to be fetched into the folder.
 * @throws UsageError when it holds something else, or waits for another run
 */
export async function requireFreeFor(out: string, run: string | undefined): Promise<void> {
  const pending = await pendingRun(out);
  if (pending !== undefined && pending.run !== run)
    throw new UsageError(
      `--out ${out} waits for run ${pending.run}: kronlens attach ${pending.run} --nats ${pending.url} --out ${out} fetches it; or give another folder`,
    );
  // What an interrupted fetch of the same run left is written again.
  if (pending === undefined && (await holdsFiles(out)))
    throw new UsageError(`--out ${out} is not empty; give another folder`);
}
