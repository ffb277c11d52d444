// Removes a result folder from the store that was fetched, but for what other runs' folders hold too.
import type { ArtifactStore } from '@kronlens/proto';
import { readStoredFolder } from './stored-folder.js';

async function pieces(store: ArtifactStore, id: string): Promise<readonly string[]> {
  const { files } = await readStoredFolder(store, id);
  return files.flatMap((file) => file.pieces);
}

/**
 * @param id of the folder's list of files
 * @param others lists that are still wanted
 */
export async function releaseResults(
  store: ArtifactStore,
  id: string,
  others: readonly string[],
): Promise<void> {
  if (others.includes(id) || !(await store.has(id))) return;
  const kept = new Set<string>();
  for (const other of others)
    if (await store.has(other)) for (const piece of await pieces(store, other)) kept.add(piece);
  const own = await pieces(store, id);
  await store.delete(id);
  for (const piece of own) if (!kept.has(piece)) await store.delete(piece);
}
