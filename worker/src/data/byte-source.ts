// Where bytes are read from by range: an open file, or shared memory that holds an inflated one.
import { close, fstat, open, read } from 'node:fs';
import { promisify } from 'node:util';
import { DataError } from './data-error.js';

const readAt = promisify(read);
const openFd = promisify(open);
const statFd = promisify(fstat);
const closeFd = promisify(close);

/** Linux reads at most 0x7ffff000 bytes at once; Node's own limit is 2^31 - 1. */
const LARGEST_READ = 2 ** 30;

/**
 * Bytes that can be read at any position, by any thread of the process: file descriptors belong to
 * the process and shared memory to all its threads, so this is plain data that may be sent to them.
 */
export interface ByteSource {
  /** The file, for messages. */
  readonly path: string;
  readonly byteLength: number;
  readonly from:
    | { readonly kind: 'file'; readonly fd: number }
    | { readonly kind: 'memory'; readonly bytes: SharedArrayBuffer };
}

/** Opens a file for reading. @throws DataError when there is no such file or it cannot be read */
export async function openSource(path: string): Promise<ByteSource> {
  let fd: number;
  try {
    fd = await openFd(path, 'r');
  } catch (cause) {
    const code = cause instanceof Error && 'code' in cause ? String(cause.code) : '';
    const why =
      code === 'ENOENT'
        ? 'there is no such file'
        : code === 'EACCES'
          ? 'no permission to read it'
          : `it cannot be opened (${code})`;
    throw new DataError(path, why, {}, cause);
  }
  try {
    const stat = await statFd(fd);
    if (!stat.isFile()) throw new DataError(path, 'it is not a file');
    return { path, byteLength: stat.size, from: { kind: 'file', fd } };
  } catch (error) {
    await closeFd(fd);
    throw error;
  }
}

/** Closes the file behind a source; shared memory is left to the garbage collector. */
export async function closeSource(source: ByteSource): Promise<void> {
  if (source.from.kind === 'file') await closeFd(source.from.fd);
}

/**
 * Fills `into` with the bytes from `position` on.
 * @throws DataError when the source ends before
 */
export async function readInto(
  source: ByteSource,
  position: number,
  into: Uint8Array,
): Promise<void> {
  const end = position + into.byteLength;
  if (position < 0 || end > source.byteLength) {
    throw new DataError(
      source.path,
      `it is truncated: bytes up to ${end} are needed, it has ${source.byteLength}`,
    );
  }
  if (source.from.kind === 'memory') {
    into.set(new Uint8Array(source.from.bytes, position, into.byteLength));
    return;
  }
  let done = 0;
  while (done < into.byteLength) {
    const { bytesRead } = await readAt(
      source.from.fd,
      into,
      done,
      Math.min(LARGEST_READ, into.byteLength - done),
      position + done,
    );
    if (bytesRead === 0) {
      throw new DataError(source.path, `it was truncated while it was read, at ${position + done}`);
    }
    done += bytesRead;
  }
}

/** The bytes of a range in fresh memory. @throws DataError when the source ends before */
export async function readRange(
  source: ByteSource,
  position: number,
  length: number,
): Promise<Uint8Array> {
  if (position < 0 || length < 0 || position + length > source.byteLength) {
    throw new DataError(
      source.path,
      `it is truncated: bytes up to ${position + length} are needed, it has ${source.byteLength}`,
    );
  }
  const bytes = new Uint8Array(length);
  await readInto(source, position, bytes);
  return bytes;
}

/** A source's bytes from `position` on, in order, in pieces that are valid until the next is asked for. */
export async function* chunks(
  source: ByteSource,
  position = 0,
  length = source.byteLength - position,
): AsyncGenerator<Uint8Array> {
  const buffer = new Uint8Array(1 << 20);
  for (let done = 0; done < length; ) {
    const piece = buffer.subarray(0, Math.min(buffer.byteLength, length - done));
    await readInto(source, position + done, piece);
    yield piece;
    done += piece.byteLength;
  }
}
