// What to do about an artifact that is recorded and cannot be read: forget it, so that it is made again.
import { type ArtifactStore, isContentId, KronlensError } from '@kronlens/proto';

const CODES = new Set(['artifact-missing', 'artifact-corrupt']);

/** The id of the artifact that could not be read, here or by a worker; undefined where something else went wrong. */
export function lostArtifact(error: unknown): string | undefined {
  if (!(error instanceof KronlensError) || !CODES.has(error.code)) return undefined;
  const { id } = error.details;
  return typeof id === 'string' && isContentId(id) ? id : undefined;
}

/**
 * Removes what is left of an artifact that could not be read: as long as it seems to be there it is
 * neither stored nor computed again.
 * @returns its id, where that was what went wrong
 */
export async function forgetLost(
  store: Pick<ArtifactStore, 'delete'>,
  error: unknown,
): Promise<string | undefined> {
  const id = lostArtifact(error);
  if (id !== undefined) await store.delete(id);
  return id;
}
