// An artifact store in a folder: artifacts/ab/<id> and results/<task id>.
import type { Stats } from 'node:fs';
import { mkdir, open, readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { DiskFullError } from '../errors/kronlens-error.js';
import type { TaskResult } from '../gen/kronlens/v1/task_pb.js';
import { decodeResult, encodeResult, MalformedMessageError } from '../messages/codec.js';
import {
  ArtifactCorruptError,
  ArtifactMissingError,
  type ArtifactStore,
  contentId,
  isContentId,
  requireContentId,
  type StoredArtifact,
} from './artifact-store.js';
import { isDiskFull, writeFileAtomic } from './atomic-file.js';

/**
 * Any number of processes may use the same folder: a file appears under its name only when whole,
 * and whoever writes it, it is the same file.
 */
export class FolderStore implements ArtifactStore {
  readonly folder: string;

  constructor(folder: string) {
    this.folder = folder;
  }

  async put(bytes: Uint8Array, id = contentId(bytes)): Promise<string> {
    const there = await fileAt(this.#artifact(id));
    if (there?.size !== bytes.length) await this.#write(this.#artifact(id), bytes);
    return id;
  }

  async get(id: string): Promise<Uint8Array> {
    const bytes = await read(this.#artifact(requireContentId(id)));
    if (bytes === undefined) throw new ArtifactMissingError(id, this.folder);
    if (contentId(bytes) !== id) throw new ArtifactCorruptError(id, this.folder);
    return bytes;
  }

  async has(id: string): Promise<boolean> {
    return (await fileAt(this.#artifact(requireContentId(id)))) !== undefined;
  }

  async delete(id: string): Promise<void> {
    await rm(this.#artifact(requireContentId(id)), { force: true });
  }

  async *list(): AsyncIterable<StoredArtifact> {
    for (const group of await names(join(this.folder, 'artifacts'))) {
      for (const id of await names(join(this.folder, 'artifacts', group))) {
        if (!isContentId(id)) continue;
        const file = await fileAt(this.#artifact(id));
        if (file !== undefined) yield { id, byteLength: file.size, storedMs: file.mtimeMs };
      }
    }
  }

  async putResult(taskId: string, result: TaskResult): Promise<void> {
    await this.#write(join(this.folder, 'results', requireContentId(taskId)), encodeResult(result));
  }

  async getResult(taskId: string): Promise<TaskResult | undefined> {
    const bytes = await read(join(this.folder, 'results', requireContentId(taskId)));
    if (bytes === undefined) return undefined;
    const result = readable(bytes);
    if (result === undefined) return undefined;
    for (const { id } of result.artifacts) if (!(await this.has(id))) return undefined;
    return result;
  }

  async *listResults(): AsyncIterable<string> {
    for (const id of await names(join(this.folder, 'results'))) if (isContentId(id)) yield id;
  }

  async deleteResult(taskId: string): Promise<void> {
    await rm(join(this.folder, 'results', requireContentId(taskId)), { force: true });
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

/** Bytes asked of the system at a time. */
const MOST_READ = 2 ** 30;

function isMissing(error: unknown): boolean {
  const code = (error as NodeJS.ErrnoException).code;
  return code === 'ENOENT' || code === 'ENOTDIR';
}

/** Undefined when there is no such file. */
async function fileAt(path: string): Promise<Stats | undefined> {
  try {
    const found = await stat(path);
    return found.isFile() ? found : undefined;
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

/** All bytes of a file, piece by piece since readFile refuses 2 GiB and more. */
async function read(path: string): Promise<Uint8Array | undefined> {
  try {
    const file = await open(path, 'r');
    try {
      const bytes = new Uint8Array((await file.stat()).size);
      let at = 0;
      while (at < bytes.length) {
        const length = Math.min(bytes.length - at, MOST_READ);
        const { bytesRead } = await file.read(bytes, at, length, at);
        if (bytesRead === 0) break;
        at += bytesRead;
      }
      return bytes.subarray(0, at);
    } finally {
      await file.close();
    }
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

/** A record that cannot be read counts as none: the task is done again. */
function readable(bytes: Uint8Array): TaskResult | undefined {
  try {
    return decodeResult(bytes);
  } catch (error) {
    if (error instanceof MalformedMessageError) return undefined;
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
