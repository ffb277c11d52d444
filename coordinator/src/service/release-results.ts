// Removes a result folder from the store that was fetched, but for what other runs' folders hold too.
import type { ArtifactStore } from '@kronlens/proto';
import { folderArtifacts } from './stored-folder.js';

/**
 * @param id of the folder's list of files
 * @param others lists that are still wanted
 */
export async function releaseResults(
  store: ArtifactStore,
  id: string,
  others: readonly string[],
): Promise<void> {
  if (others.includes(id)) return;
  const kept = await folderArtifacts(store, others);
  for (const artifact of await folderArtifacts(store, [id]))
    if (!kept.has(artifact)) await store.delete(artifact);
}
