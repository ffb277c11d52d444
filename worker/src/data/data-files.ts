// The data files that an executor has open: opened, hashed and inflated once, closed at the end.
import { createHash } from 'node:crypto';
import { stat } from 'node:fs/promises';
import { basename } from 'node:path';
import { create } from '@bufbuild/protobuf';
import { CancelledError, type DataArray, DataArraySchema, ElementType } from '@kronlens/proto';
import type { ArrayLayout } from './array-layout.js';
import { type ByteSource, chunks } from './byte-source.js';
import type { Values } from './convert.js';
import { DataError } from './data-error.js';
import { DEFAULT_MEMORY_LIMIT } from './inflate.js';
import { type DataFile, openDataFile } from './open-data-file.js';
import { RowReader } from './row-reader.js';

/** Open files kept for the next task. */
const MOST_OPEN_FILES = 64;

interface OpenFile {
  readonly file: Promise<DataFile>;
  /** Size and times by which a changed file is noticed. */
  readonly stamp: string;
  sha256: Promise<string> | undefined;
  users: number;
  /** Set when it must be closed as soon as its last user is done. */
  stale: boolean;
}

async function sha256(source: ByteSource, signal: AbortSignal): Promise<string> {
  const hash = createHash('sha256');
  for await (const piece of chunks(source)) {
    if (signal.aborted) throw new CancelledError(`the reading of ${source.path}`);
    hash.update(piece);
  }
  return hash.digest('hex');
}

async function stampOf(path: string): Promise<string> {
  try {
    const { ino, size, mtimeMs } = await stat(path);
    return `${ino} ${size} ${mtimeMs}`;
  } catch {
    // Opening it says what is wrong.
    return '';
  }
}

/** Opens data files, describes them, and lays out the arrays that tasks name. */
export class DataFiles {
  readonly #open = new Map<string, OpenFile>();
  readonly #memoryLimit: number;
  readonly #closing = new AbortController();

  /** @param memoryLimit compressed arrays larger than this are inflated to a temporary file */
  constructor(memoryLimit: number = DEFAULT_MEMORY_LIMIT) {
    this.#memoryLimit = memoryLimit;
  }

  async #close(open: OpenFile): Promise<void> {
    const file = await open.file.catch(() => undefined);
    await open.sha256?.catch(() => undefined);
    await file?.close();
  }

  async #release(open: OpenFile): Promise<void> {
    open.users -= 1;
    if (open.stale && open.users === 0) await this.#close(open);
  }

  async #discard(path: string, open: OpenFile): Promise<void> {
    if (this.#open.get(path) === open) this.#open.delete(path);
    open.stale = true;
    if (open.users === 0) await this.#close(open);
  }

  async #acquire(path: string): Promise<OpenFile> {
    const stamp = await stampOf(path);
    let open = this.#open.get(path);
    // Nothing is waited for between looking and setting: others may ask for the same file.
    const outdated = open !== undefined && open.stamp !== stamp ? open : undefined;
    if (open === undefined || outdated !== undefined) {
      const file = openDataFile(path, this.#memoryLimit, this.#closing.signal);
      // Its failure is met below, after other files may have been closed.
      file.catch(() => {});
      open = { file, stamp, sha256: undefined, users: 0, stale: false };
    }
    // Most recently used last.
    this.#open.delete(path);
    this.#open.set(path, open);
    open.users += 1;
    if (outdated !== undefined) await this.#discard(path, outdated);
    try {
      await open.file;
    } catch (error) {
      await this.#release(open);
      await this.#discard(path, open);
      throw error;
    }
    for (const [other, candidate] of this.#open) {
      if (this.#open.size <= MOST_OPEN_FILES) break;
      if (candidate.users === 0) await this.#discard(other, candidate);
    }
    return open;
  }

  async #digest(open: OpenFile): Promise<string> {
    const { source } = await open.file;
    open.sha256 ??= sha256(source, this.#closing.signal);
    return await open.sha256;
  }

  /**
   * Says what arrays the files hold. An array is named after its member or column; that of a file
   * with one array after the file, without its extensions.
   * @throws DataError when a file cannot be read, is truncated, damaged or of no known format
   */
  async describe(paths: readonly string[]): Promise<DataArray[]> {
    const described: DataArray[] = [];
    for (const path of paths) {
      const open = await this.#acquire(path);
      try {
        const file = await open.file;
        const digest = await this.#digest(open);
        for (const array of file.arrays) {
          described.push(
            create(DataArraySchema, {
              name: array.member || basename(path).replace(/(\.npy|\.idx)?(\.gz)?$/i, ''),
              path,
              format: file.format,
              member: array.member,
              type: array.type,
              shape: array.shape.map(BigInt),
              sha256: digest,
            }),
          );
        }
      } finally {
        await this.#release(open);
      }
    }
    return described;
  }

  /**
   * Finds a task's array, inflating it where it is compressed, and lends its layout to `use`.
   * @throws DataError when the file is not the one that was described, or lacks the array
   */
  async borrow<T>(
    arrays: readonly DataArray[],
    use: (layouts: readonly ArrayLayout[]) => Promise<T>,
  ): Promise<T> {
    const borrowed: OpenFile[] = [];
    try {
      const layouts: ArrayLayout[] = [];
      for (const array of arrays) {
        const open = await this.#acquire(array.path);
        borrowed.push(open);
        layouts.push(await this.#layout(array, open));
      }
      return await use(layouts);
    } finally {
      for (const open of borrowed) await this.#release(open);
    }
  }

  async #layout(array: DataArray, open: OpenFile): Promise<ArrayLayout> {
    const file = await open.file;
    if (array.sha256 !== '' && (await this.#digest(open)) !== array.sha256) {
      throw new DataError(
        array.path,
        `it is not the file that this run was planned with (SHA-256 ${array.sha256} was expected); restore it, or start a new run`,
        { sha256: array.sha256 },
      );
    }
    const found = file.arrays.find(({ member }) => member === array.member);
    if (found === undefined) {
      const has = file.arrays.map(({ member }) => `'${member}'`).join(', ');
      throw new DataError(array.path, `it has no array '${array.member}', only ${has}`);
    }
    const same = array.shape.map(Number).join() === found.shape.join();
    if (found.type !== array.type || !same) {
      throw new DataError(
        array.path,
        `'${array.name}' is [${found.shape.join(', ')}] of ${ElementType[found.type]}, not what this run was planned with`,
      );
    }
    return await found.layout();
  }

  /** Reads rows [first, first + count) of an array as values of `type`, scaled. */
  async readRows(
    array: DataArray,
    first: number,
    count: number,
    type: ElementType,
  ): Promise<Values> {
    return await this.borrow([array], async ([layout]) => {
      if (layout === undefined) throw new Error('the array was not laid out');
      const reader = new RowReader(layout, type, array.scale ?? 1);
      const rows = reader.allocate(count);
      await reader.read(first, count, rows);
      return rows;
    });
  }

  /**
   * Closes everything; what is being hashed or inflated is called off. Nothing may be borrowed, save
   * by callers that are waiting for a file to be hashed or inflated.
   */
  async close(): Promise<void> {
    this.#closing.abort();
    for (const [path, open] of [...this.#open]) await this.#discard(path, open);
  }
}
