// An artifact store on the NATS server: bytes as chunks in a stream, results in a bucket.
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import type { StoredMsg } from '@nats-io/jetstream';
import { KronlensError } from '../errors/kronlens-error.js';
import { ArtifactHeadSchema } from '../gen/kronlens/v1/cluster_pb.js';
import { type TaskResult, TaskResultSchema } from '../gen/kronlens/v1/task_pb.js';
import {
  ArtifactCorruptError,
  ArtifactMissingError,
  type ArtifactStore,
  contentId,
  isContentId,
  requireContentId,
  type StoredArtifact,
} from '../store/artifact-store.js';
import type { NatsLink } from './link.js';
import { isFull } from './link-errors.js';
import { ARTIFACT_STREAM, artifactSubjects, BUCKETS, chunkSubject, headSubject } from './names.js';
import { Records } from './records.js';

/** Half of what a message may hold by default. */
const CHUNK_LENGTH = 512 * 1024;
/** Chunks on their way at a time. */
const IN_FLIGHT = 8;
const MOST_BYTES = 32 * 2 ** 30;
/** Times that an artifact is stored when others remove it meanwhile. */
const MOST_ROUNDS = 5;

/** An artifact is larger than the store takes. */
export class ArtifactTooLargeError extends KronlensError {
  constructor(id: string, byteLength: number, most: number) {
    super(
      'artifact-too-large',
      `artifact ${id} has ${byteLength} bytes, the store takes ${most}; keep artifacts in a shared folder with --store file:///folder`,
      { badInput: true, details: { id } },
    );
  }
}

/** The server has no room for another artifact. */
class StoreFullError extends KronlensError {
  constructor(url: string, cause: unknown) {
    super(
      'store-full',
      `the NATS server at ${url} has no room for another artifact; raise the limits of JetStream, or keep artifacts in a shared folder with --store file:///folder`,
      { badInput: true, cause },
    );
  }
}

export interface JetStreamStoreOptions {
  /** Larger artifacts are refused; in bytes. */
  readonly mostBytes?: number;
}

/**
 * Any number of processes may use it at a time: a chunk has one place, and whoever writes it, it is
 * the same chunk. The head is written last, so what has a head is whole; an artifact is removed with
 * its head at once.
 */
export class JetStreamStore implements ArtifactStore {
  readonly #link: NatsLink;
  readonly #results: Records<typeof TaskResultSchema>;
  readonly #mostBytes: number;

  constructor(link: NatsLink, { mostBytes = MOST_BYTES }: JetStreamStoreOptions = {}) {
    this.#link = link;
    this.#results = new Records(link, BUCKETS.results, TaskResultSchema);
    this.#mostBytes = mostBytes;
  }

  async put(bytes: Uint8Array, id = contentId(bytes)): Promise<string> {
    if (bytes.length > this.#mostBytes)
      throw new ArtifactTooLargeError(id, bytes.length, this.#mostBytes);
    if ((await this.#head(id))?.byteLength === bytes.length) return id;
    const head = { byteLength: BigInt(bytes.length), chunkLength: CHUNK_LENGTH };
    const words = toBinary(ArtifactHeadSchema, create(ArtifactHeadSchema, head));
    for (let round = 0; round < MOST_ROUNDS; round++) {
      await this.#putChunks(id, bytes);
      await this.#publish(headSubject(id), words);
      if (await this.#keptFirst(id, bytes.length)) return id;
    }
    throw new ArtifactMissingError(id, this.#link.url);
  }

  /** The last chunk, which is the shortest, goes first. */
  async #putChunks(id: string, bytes: Uint8Array): Promise<void> {
    const last = lastChunk(bytes.length);
    const put = (index: number, from: number, to: number) =>
      this.#publish(chunkSubject(id, CHUNK_LENGTH, index), bytes.subarray(from, to));
    if (last >= 0) await put(last, last * CHUNK_LENGTH, bytes.length);
    await forEachChunk(last * CHUNK_LENGTH, CHUNK_LENGTH, put);
  }

  /**
   * Whether the chunk that was put first is there when the head is: others may have removed the artifact
   * meanwhile, with the chunks that were there, and an old head would stand for chunks that are gone.
   */
  async #keptFirst(id: string, byteLength: number): Promise<boolean> {
    const last = lastChunk(byteLength);
    return last < 0 || (await this.#read(chunkSubject(id, CHUNK_LENGTH, last))) !== undefined;
  }

  async get(id: string): Promise<Uint8Array> {
    const head = await this.#head(requireContentId(id));
    if (head === undefined) throw new ArtifactMissingError(id, this.#link.url);
    const { byteLength, chunkLength } = head;
    if (byteLength > this.#mostBytes)
      throw new ArtifactTooLargeError(id, byteLength, this.#mostBytes);
    const bytes = new Uint8Array(byteLength);
    await forEachChunk(byteLength, chunkLength, async (index, from, to) => {
      const chunk = await this.#read(chunkSubject(id, chunkLength, index));
      if (chunk === undefined) throw new ArtifactMissingError(id, this.#link.url);
      if (chunk.length !== to - from) throw new ArtifactCorruptError(id, this.#link.url);
      bytes.set(chunk, from);
    });
    if (contentId(bytes) !== id) throw new ArtifactCorruptError(id, this.#link.url);
    return bytes;
  }

  async has(id: string): Promise<boolean> {
    return (await this.#head(requireContentId(id))) !== undefined;
  }

  async delete(id: string): Promise<void> {
    const filter = artifactSubjects(requireContentId(id));
    await this.#link.call('deleting an artifact', () =>
      this.#link.jsm.streams.purge(ARTIFACT_STREAM, { filter }),
    );
  }

  async *list(): AsyncIterable<StoredArtifact> {
    const { state } = await this.#link.call('listing artifacts', () =>
      this.#link.jsm.streams.info(ARTIFACT_STREAM, { subjects_filter: headSubject('*') }),
    );
    for (const subject of Object.keys(state.subjects ?? {}).sort()) {
      const id = subject.split('.').at(-2) ?? '';
      const head = isContentId(id) ? await this.#head(id) : undefined;
      if (head !== undefined) yield { id, byteLength: head.byteLength, storedMs: head.storedMs };
    }
  }

  async putResult(taskId: string, result: TaskResult): Promise<void> {
    await this.#results.put(requireContentId(taskId), result);
  }

  async getResult(taskId: string): Promise<TaskResult | undefined> {
    const result = await this.#results.get(requireContentId(taskId));
    if (result === undefined) return undefined;
    const there = await Promise.all(result.artifacts.map(({ id }) => this.has(id)));
    return there.every(Boolean) ? result : undefined;
  }

  async *listResults(): AsyncIterable<string> {
    for (const id of await this.#results.keys()) if (isContentId(id)) yield id;
  }

  async deleteResult(taskId: string): Promise<void> {
    await this.#results.delete(requireContentId(taskId));
  }

  async #head(
    id: string,
  ): Promise<{ byteLength: number; chunkLength: number; storedMs: number } | undefined> {
    const message = await this.#message(headSubject(id));
    if (message === undefined) return undefined;
    try {
      const { byteLength, chunkLength } = fromBinary(ArtifactHeadSchema, message.data);
      const storedMs = message.time.getTime();
      return chunkLength > 0
        ? { byteLength: Number(byteLength), chunkLength, storedMs }
        : undefined;
    } catch {
      return undefined;
    }
  }

  async #read(subject: string): Promise<Uint8Array | undefined> {
    return (await this.#message(subject))?.data;
  }

  async #message(subject: string): Promise<StoredMsg | undefined> {
    const message = await this.#link.call('reading an artifact', () =>
      this.#link.jsm.direct.getMessage(ARTIFACT_STREAM, { last_by_subj: subject }),
    );
    return message ?? undefined;
  }

  async #publish(subject: string, bytes: Uint8Array): Promise<void> {
    try {
      await this.#link.call('storing an artifact', () => this.#link.js.publish(subject, bytes));
    } catch (error) {
      throw isFull(error) ? new StoreFullError(this.#link.url, error) : error;
    }
  }
}

/** Number of the last chunk; -1: there is none. */
const lastChunk = (byteLength: number): number => Math.ceil(byteLength / CHUNK_LENGTH) - 1;

/** Handles the chunks of `length` bytes, some at a time. */
async function forEachChunk(
  length: number,
  chunkLength: number,
  handle: (index: number, from: number, to: number) => Promise<void>,
): Promise<void> {
  const chunks = Math.ceil(length / chunkLength);
  let next = 0;
  const lane = async () => {
    while (next < chunks) {
      const index = next++;
      const from = index * chunkLength;
      await handle(index, from, Math.min(from + chunkLength, length));
    }
  };
  await Promise.all(Array.from({ length: Math.min(IN_FLIGHT, chunks) }, lane));
}
