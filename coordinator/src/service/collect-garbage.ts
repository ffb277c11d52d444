// Removes from a store what no run needs any more: artifacts, and the records of tasks that have lost theirs.
import type { ArtifactStore } from '@kronlens/proto';
import { folderArtifacts } from './stored-folder.js';

export interface GarbageOptions {
  /** Ids of the lists of result folders that wait to be fetched: these stay, whatever their age. */
  readonly wanted: readonly string[];
  /** What was stored at this time or later stays; milliseconds since 1970. */
  readonly beforeMs: number;
  /** Removes nothing. */
  readonly dryRun: boolean;
  /** Asked before every artifact is removed. @throws to stop */
  readonly check: () => Promise<void>;
}

export interface Garbage {
  readonly artifacts: number;
  readonly bytes: number;
}

/** @returns what was removed, or would have been; the artifacts of the tasks that are forgotten are among it */
export async function collectGarbage(
  store: ArtifactStore,
  { wanted, beforeMs, dryRun, check }: GarbageOptions,
): Promise<Garbage> {
  const kept = await folderArtifacts(store, wanted);
  let [artifacts, bytes] = [0, 0];
  for await (const { id, byteLength, storedMs } of store.list()) {
    if (kept.has(id) || storedMs >= beforeMs) continue;
    artifacts += 1;
    bytes += byteLength;
    if (dryRun) continue;
    await check();
    await store.delete(id);
  }
  if (dryRun) return { artifacts, bytes };
  for await (const task of store.listResults())
    if ((await store.getResult(task)) === undefined) await store.deleteResult(task);
  return { artifacts, bytes };
}
