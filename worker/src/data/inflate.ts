// Inflates compressed data once: into shared memory when small, into a temporary file when large.
import { close, open, unlink, write } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { crc32, createGunzip, createInflateRaw } from 'node:zlib';
import { CancelledError } from '@kronlens/proto';
import { type ByteSource, chunks } from './byte-source.js';
import { DataError } from './data-error.js';

const openFd = promisify(open);
const closeFd = promisify(close);
const writeFd = promisify(write);
const unlinkFile = promisify(unlink);

/** Inflated data up to this size are kept in memory. */
export const DEFAULT_MEMORY_LIMIT = 256 * 2 ** 20;

/** The compressed bytes of one array. */
export interface Compressed {
  readonly source: ByteSource;
  readonly format: 'gzip' | 'deflate';
  readonly position: number;
  readonly byteLength: number;
  /** For messages: "the file" or "member 'x'". */
  readonly what: string;
  /** Of the inflated bytes, where the archive says it (gzip checks its own). */
  readonly crc32?: number;
}

/** Inflated bytes, and how to be rid of them. */
export interface Inflated {
  readonly source: ByteSource;
  release(): Promise<void>;
}

/** The inflated stream, piece by piece. @throws DataError when it is damaged or ends early */
async function* inflatedChunks(from: Compressed): AsyncGenerator<Uint8Array> {
  const inflater = from.format === 'gzip' ? createGunzip() : createInflateRaw();
  // A piece counts as written when it is consumed, so its buffer may be used again.
  const write = (piece: Uint8Array) =>
    new Promise<void>((resolve, reject) => {
      inflater.write(piece, (error) => (error ? reject(error) : resolve()));
    });
  const feed = async () => {
    for await (const piece of chunks(from.source, from.position, from.byteLength)) {
      await write(piece);
    }
    inflater.end();
  };
  // Its failures come out of the inflater, where they are waited for.
  feed().catch((error: unknown) => inflater.destroy(error instanceof Error ? error : undefined));
  try {
    for await (const piece of inflater) yield piece;
  } catch (cause) {
    if (cause instanceof DataError) throw cause;
    const code = cause instanceof Error && 'code' in cause ? String(cause.code) : '';
    throw new DataError(
      from.source.path,
      code === 'Z_BUF_ERROR'
        ? `${from.what} is truncated: its compressed data end early`
        : `${from.what} is damaged: its compressed data cannot be inflated`,
      {},
      cause,
    );
  } finally {
    inflater.destroy();
  }
}

/** The first bytes of the inflated data, at most `length`. @throws DataError when damaged */
export async function inflatePrefix(from: Compressed, length: number): Promise<Uint8Array> {
  const pieces: Uint8Array[] = [];
  let held = 0;
  for await (const piece of inflatedChunks(from)) {
    pieces.push(piece);
    held += piece.byteLength;
    if (held >= length) break;
  }
  return new Uint8Array(Buffer.concat(pieces)).subarray(0, length);
}

interface Sink {
  write(piece: Uint8Array, position: number): Promise<void>;
  finish(): Inflated;
  abandon(): Promise<void>;
}

function memorySink(path: string, byteLength: number): Sink {
  const bytes = new SharedArrayBuffer(byteLength);
  const view = new Uint8Array(bytes);
  return {
    write: async (piece, position) => view.set(piece, position),
    finish: () => ({
      source: { path, byteLength, from: { kind: 'memory', bytes } },
      release: async () => {},
    }),
    abandon: async () => {},
  };
}

async function spoolSink(path: string, byteLength: number): Promise<Sink> {
  const folder = await mkdtemp(join(tmpdir(), 'kronlens-'));
  const file = join(folder, 'inflated');
  const fd = await openFd(file, 'wx+', 0o600);
  // Where the system allows it, the name goes at once, so that not even a crash leaves the file.
  const unnamed = process.platform !== 'win32';
  if (unnamed) {
    await unlinkFile(file);
    await rm(folder, { recursive: true });
  }
  const release = async () => {
    await closeFd(fd);
    if (!unnamed) await rm(folder, { recursive: true, force: true });
  };
  return {
    async write(piece, position) {
      try {
        for (let done = 0; done < piece.byteLength; ) {
          const { bytesWritten } = await writeFd(
            fd,
            piece,
            done,
            piece.byteLength - done,
            position + done,
          );
          done += bytesWritten;
        }
      } catch (cause) {
        throw new DataError(
          path,
          `there is no room to inflate it in ${tmpdir()}; set TMPDIR to a folder with ${byteLength} bytes free`,
          {},
          cause,
        );
      }
    },
    finish: () => ({ source: { path, byteLength, from: { kind: 'file', fd } }, release }),
    abandon: release,
  };
}

/**
 * Inflates the data, which must come out at exactly `byteLength` bytes.
 * @param memoryLimit up to this many bytes are held in memory, more go to a temporary file
 * @throws DataError when the data are damaged, truncated, or hold more or less than `byteLength`;
 *   CancelledError when the signal aborts
 */
export async function inflate(
  from: Compressed,
  byteLength: number,
  memoryLimit: number = DEFAULT_MEMORY_LIMIT,
  signal?: AbortSignal,
): Promise<Inflated> {
  const path = from.source.path;
  const sink =
    byteLength <= memoryLimit ? memorySink(path, byteLength) : await spoolSink(path, byteLength);
  try {
    let done = 0;
    let checksum = 0;
    for await (const piece of inflatedChunks(from)) {
      if (signal?.aborted === true) throw new CancelledError(`the inflating of ${path}`);
      if (done + piece.byteLength > byteLength) {
        throw new DataError(path, `${from.what} holds more than the ${byteLength} bytes it claims`);
      }
      if (from.crc32 !== undefined) checksum = crc32(piece, checksum);
      await sink.write(piece, done);
      done += piece.byteLength;
    }
    if (done < byteLength) {
      throw new DataError(
        path,
        `${from.what} is truncated: it holds ${done} of the ${byteLength} bytes it claims`,
      );
    }
    if (from.crc32 !== undefined && checksum !== from.crc32) {
      throw new DataError(path, `${from.what} is damaged: its checksum does not match`);
    }
    return sink.finish();
  } catch (error) {
    await sink.abandon();
    throw error;
  }
}
