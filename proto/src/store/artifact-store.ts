// Where artifacts live: content-addressed bytes, and the recorded result of each task.
import { createHash } from 'node:crypto';
import { KronlensError } from '../errors/kronlens-error.js';
import type { TaskResult } from '../gen/kronlens/v1/task_pb.js';

export interface StoredArtifact {
  readonly id: string;
  readonly byteLength: number;
  /** When it was stored, in milliseconds since 1970, by the store's clock. */
  readonly storedMs: number;
}

/** Bytes under their content id (SHA-256, lower-case hex). Putting the same bytes twice is free. */
export interface ArtifactStore {
  /**
   * Stores bytes durably and returns their id.
   * @param id their content id, where the caller has computed it
   * @throws DiskFullError
   */
  put(bytes: Uint8Array, id?: string): Promise<string>;
  /** The bytes, the caller's own. @throws ArtifactMissingError, ArtifactCorruptError (the checksum is verified) */
  get(id: string): Promise<Uint8Array>;
  has(id: string): Promise<boolean>;
  /** Removes the artifact; nothing happens when it is not there. */
  delete(id: string): Promise<void>;
  list(): AsyncIterable<StoredArtifact>;
  /** Records that a task is done. Its artifacts must be stored before. */
  putResult(taskId: string, result: TaskResult): Promise<void>;
  /** The recorded result; undefined when there is none or an artifact that it names is gone. */
  getResult(taskId: string): Promise<TaskResult | undefined>;
  /** The ids of tasks that have a record, whatever it is worth. */
  listResults(): AsyncIterable<string>;
  /** Forgets that a task is done; nothing happens when there is no record. */
  deleteResult(taskId: string): Promise<void>;
}

export class ArtifactMissingError extends KronlensError {
  constructor(id: string, where: string) {
    super('artifact-missing', `artifact ${id} is not in ${where}`, {
      retryable: true,
      details: { id },
    });
  }
}

export class ArtifactCorruptError extends KronlensError {
  constructor(id: string, where: string) {
    super(
      'artifact-corrupt',
      `artifact ${id} in ${where} does not match its checksum; delete it and run again`,
      {
        details: { id },
      },
    );
  }
}

/** OpenSSL takes less than 2 GiB at a time. */
const MOST_HASHED = 2 ** 30;

/** SHA-256 of the bytes, lower-case hex. */
export function contentId(bytes: Uint8Array): string {
  const hash = createHash('sha256');
  for (let at = 0; at < bytes.length; at += MOST_HASHED)
    hash.update(bytes.subarray(at, at + MOST_HASHED));
  return hash.digest('hex');
}

/** True for what `contentId` gives. */
export const isContentId = (id: string): boolean => /^[0-9a-f]{64}$/.test(id);

/** @throws when `id` is no content id: it might be a path that leads elsewhere */
export function requireContentId(id: string): string {
  if (!isContentId(id))
    throw new KronlensError('bad-artifact-id', `'${id.slice(0, 80)}' is no artifact id`);
  return id;
}
