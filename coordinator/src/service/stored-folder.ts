// Files of a folder as artifacts: how models reach a coordinator, and results whoever asked for them.
import { randomBytes } from 'node:crypto';
import { mkdir, open, rename, rm } from 'node:fs/promises';
import { dirname, isAbsolute, join } from 'node:path';
import {
  type ArtifactStore,
  create,
  DiskFullError,
  isDiskFull,
  KronlensError,
} from '@kronlens/proto';
import {
  decodeStoredFolder,
  encodeStoredFolder,
  type StoredFile,
  StoredFileSchema,
  type StoredFolder,
  StoredFolderSchema,
} from '@kronlens/proto/nats';
import { removeLeftovers } from '../plan/output-folder.js';

/** Bytes of a piece: what is in memory at a time. */
const PIECE_LENGTH = 64 * 2 ** 20;

async function storeFile(
  store: ArtifactStore,
  folder: string,
  path: string,
  prefix: Uint8Array,
): Promise<StoredFile> {
  const file = await open(join(folder, path), 'r');
  try {
    const pieces: string[] = [];
    let byteLength = 0;
    for (;;) {
      const left = Math.min(PIECE_LENGTH, (await file.stat()).size - byteLength);
      const piece = new Uint8Array(prefix.length + left);
      piece.set(prefix);
      let end = prefix.length;
      while (end < piece.length) {
        const { bytesRead } = await file.read(piece, end, piece.length - end, null);
        if (bytesRead === 0) break;
        end += bytesRead;
      }
      if (end === prefix.length) break;
      pieces.push(await store.put(piece.subarray(0, end)));
      byteLength += end - prefix.length;
    }
    return create(StoredFileSchema, { path, byteLength: BigInt(byteLength), pieces });
  } finally {
    await file.close();
  }
}

/**
 * @param paths relative to the folder, with slashes
 * @param owner whose alone the artifacts are to be; without one they are shared with whoever stores the same
 */
export async function storeFiles(
  store: ArtifactStore,
  folder: string,
  paths: readonly string[],
  owner = '',
): Promise<StoredFolder> {
  const prefix = new TextEncoder().encode(owner);
  const files: StoredFile[] = [];
  for (const path of paths) files.push(await storeFile(store, folder, path, prefix));
  return create(StoredFolderSchema, { files, prefix });
}

/**
 * Stores the list of the files, too.
 * @param owner what the folder belongs to alone, and is removed with: a start of a run
 * @returns the list's content id
 */
export async function storeFolder(
  store: ArtifactStore,
  folder: string,
  paths: readonly string[],
  owner: string,
): Promise<string> {
  return await store.put(encodeStoredFolder(await storeFiles(store, folder, paths, owner)));
}

/** Whether a path that came from elsewhere stays in the folder that it is joined to. */
function staysInside(path: string): boolean {
  return path !== '' && !isAbsolute(path) && !path.split(/[\\/]/).includes('..');
}

/** Where a stored file goes. */
function targetOf(folder: string, { path }: StoredFile): string {
  if (staysInside(path)) return join(folder, path);
  throw new KronlensError('bad-stored-folder', `a stored file is called '${path.slice(0, 80)}'`);
}

async function fetchFile(
  store: ArtifactStore,
  folder: string,
  stored: StoredFile,
  prefix: Uint8Array,
): Promise<void> {
  const { path, pieces, byteLength } = stored;
  const target = targetOf(folder, stored);
  const temporary = `${target}.${process.pid}.${randomBytes(4).toString('hex')}.tmp`;
  try {
    await mkdir(dirname(target), { recursive: true });
    const file = await open(temporary, 'wx');
    try {
      for (const id of pieces) await file.writeFile((await store.get(id)).subarray(prefix.length));
      if ((await file.stat()).size !== Number(byteLength))
        throw new KronlensError('bad-stored-folder', `stored file '${path}' is not whole`);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, target);
  } catch (error) {
    await rm(temporary, { force: true });
    throw isDiskFull(error) ? new DiskFullError(folder, error) : error;
  }
}

/**
 * Writes the files into the folder, in their order, each whole or not at all. What a killed process left
 * half-written beside them is removed.
 * @throws DiskFullError; the store's errors
 */
export async function fetchFiles(
  store: ArtifactStore,
  { files, prefix }: StoredFolder,
  folder: string,
): Promise<void> {
  await removeLeftovers(new Set(files.map((file) => dirname(targetOf(folder, file)))));
  for (const file of files) await fetchFile(store, folder, file, prefix);
}

/** The list of files that `storeFolder` stored. @throws the store's errors */
export async function readStoredFolder(store: ArtifactStore, id: string): Promise<StoredFolder> {
  return decodeStoredFolder(await store.get(id));
}

/** Removes a folder that was stored for an owner: nothing of it is anybody else's. */
export async function removeStoredFolder(store: ArtifactStore, id: string): Promise<void> {
  for (const artifact of await folderArtifacts(store, [id])) await store.delete(artifact);
}

/** Everything of these folders, as far as they are there: their lists, and what the lists name. */
export async function folderArtifacts(
  store: ArtifactStore,
  lists: readonly string[],
): Promise<ReadonlySet<string>> {
  const found = new Set<string>();
  for (const id of lists) {
    if (!(await store.has(id))) continue;
    found.add(id);
    const { files } = await readStoredFolder(store, id);
    for (const piece of files.flatMap(({ pieces }) => pieces)) found.add(piece);
  }
  return found;
}
