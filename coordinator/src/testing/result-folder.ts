// Looks at result folders: temporary ones, and what must be equal in two of them.
import { createHash } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A new temporary folder, and what removes it. */
export async function temporaryFolder(): Promise<{ folder: string; remove: () => Promise<void> }> {
  const folder = await mkdtemp(join(tmpdir(), 'kronlens-test-'));
  return { folder, remove: () => rm(folder, { recursive: true, force: true }) };
}

/** Lends a temporary folder to some work. */
export async function inTemporaryFolder<T>(work: (folder: string) => Promise<T>): Promise<T> {
  const { folder, remove } = await temporaryFolder();
  try {
    return await work(folder);
  } finally {
    await remove();
  }
}

/** All files below a folder, sorted. */
export async function filesBelow(folder: string): Promise<string[]> {
  const found: string[] = [];
  for (const name of await readdir(folder, { recursive: true }))
    if ((await stat(join(folder, name))).isFile()) found.push(name);
  return found.sort();
}

/** SHA-256 of every file by its path; of run.json without the timings. */
export async function digests(folder: string): Promise<Record<string, string>> {
  const result: Record<string, string> = {};
  for (const name of await filesBelow(folder)) {
    let bytes: Uint8Array | string = await readFile(join(folder, name));
    if (name === 'run.json') {
      const { timings: _, ...record } = JSON.parse(bytes.toString()) as { timings: unknown };
      bytes = JSON.stringify(record);
    }
    result[name] = createHash('sha256').update(bytes).digest('hex');
  }
  return result;
}
