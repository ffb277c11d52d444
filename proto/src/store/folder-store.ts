// An artifact store in a folder: artifacts/ab/<id> and results/<task id>.
import { mkdir, readdir, readFile, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { DiskFullError } from '../errors/kronlens-error.js';
import type { TaskResult } from '../gen/kronlens/v1/task_pb.js';
import { decodeResult, encodeResult } from '../messages/codec.js';
import {
  ArtifactCorruptError,
  ArtifactMissingError,
  type ArtifactStore,
  contentId,
  requireContentId,
  type StoredArtifact,
} from './artifact-store.js';
import { isDiskFull, TEMPORARY_SUFFIX, writeFileAtomic } from './atomic-file.js';

export class FolderStore implements ArtifactStore {
  readonly folder: string;

  constructor(folder: string) {
    this.folder = folder;
  }

  async put(bytes: Uint8Array): Promise<string> {
    const id = contentId(bytes);
    if (!(await this.has(id))) await this.#write(this.#artifact(id), bytes);
    return id;
  }

  async get(id: string): Promise<Uint8Array> {
    const bytes = await read(this.#artifact(requireContentId(id)));
    if (bytes === undefined) throw new ArtifactMissingError(id, this.folder);
    if (contentId(bytes) !== id) throw new ArtifactCorruptError(id, this.folder);
    return bytes;
  }

  async has(id: string): Promise<boolean> {
    try {
      return (await stat(this.#artifact(requireContentId(id)))).isFile();
    } catch (error) {
      if (isMissing(error)) return false;
      throw error;
    }
  }

  async delete(id: string): Promise<void> {
    await rm(this.#artifact(requireContentId(id)), { force: true });
  }

  async *list(): AsyncIterable<StoredArtifact> {
    for (const group of await names(join(this.folder, 'artifacts'))) {
      for (const id of await names(join(this.folder, 'artifacts', group))) {
        if (id.endsWith(TEMPORARY_SUFFIX)) continue;
        yield { id, byteLength: (await stat(this.#artifact(id))).size };
      }
    }
  }

  async putResult(taskId: string, result: TaskResult): Promise<void> {
    await this.#write(join(this.folder, 'results', requireContentId(taskId)), encodeResult(result));
  }

  async getResult(taskId: string): Promise<TaskResult | undefined> {
    const bytes = await read(join(this.folder, 'results', requireContentId(taskId)));
    if (bytes === undefined) return undefined;
    const result = decodeResult(bytes);
    for (const { id } of result.artifacts) if (!(await this.has(id))) return undefined;
    return result;
  }

  #artifact(id: string): string {
    return join(this.folder, 'artifacts', id.slice(0, 2), id);
  }

  async #write(path: string, bytes: Uint8Array): Promise<void> {
    try {
      await mkdir(join(path, '..'), { recursive: true });
    } catch (error) {
      throw isDiskFull(error) ? new DiskFullError(this.folder, error) : error;
    }
    await writeFileAtomic(path, bytes);
  }
}

function isMissing(error: unknown): boolean {
  const code = (error as NodeJS.ErrnoException).code;
  return code === 'ENOENT' || code === 'ENOTDIR';
}

async function read(path: string): Promise<Uint8Array | undefined> {
  try {
    return await readFile(path);
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

async function names(folder: string): Promise<string[]> {
  try {
    return (await readdir(folder)).sort();
  } catch (error) {
    if (isMissing(error)) return [];
    throw error;
  }
}
