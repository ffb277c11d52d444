// Temporary folders that say whose they are: those of processes that were killed go when the next one begins.
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isRunning, ownerOf, type ProcessOwner, thisProcess } from './process-owner.js';

/** The file in a temporary folder that says whose it is. */
export const OWNER_FILE = 'owner.json';

/**
 * Folders whose owner cannot be seen from here, in another container for example, stay, as do those that may
 * not be removed.
 * @param prefix of the folders' names in the system's temporary folder
 */
export async function removeAbandonedFolders(prefix: string, own: ProcessOwner): Promise<void> {
  const names = await readdir(tmpdir()).catch(() => []);
  for (const name of names.filter((entry) => entry.startsWith(prefix))) {
    const folder = join(tmpdir(), name);
    const owner = ownerOf(await readFile(join(folder, OWNER_FILE), 'utf8').catch(() => ''));
    if (owner !== undefined && (await isRunning(owner, own)) === false)
      await rm(folder, { recursive: true, force: true }).catch(() => {});
  }
}

/** Makes a folder of this process, and removes those that killed ones have left. The caller removes it. */
export async function makeOwnedFolder(prefix: string): Promise<string> {
  const own = await thisProcess();
  await removeAbandonedFolders(prefix, own);
  const folder = await mkdtemp(join(tmpdir(), prefix));
  await writeFile(join(folder, OWNER_FILE), JSON.stringify(own));
  return folder;
}
