// Opens a data file of any format that is known, and lays out the arrays in it.
import { DataFormat, type ElementType } from '@kronlens/proto';
import type { ArrayLayout } from './array-layout.js';
import { readArrowColumns } from './arrow-columns.js';
import { isArrowFile, isArrowStream } from './arrow-messages.js';
import { type ByteSource, closeSource, openSource, readRange } from './byte-source.js';
import { DataError, UnreadableArray } from './data-error.js';
import { type IdxHeader, isIdx, parseIdxHeader } from './idx-header.js';
import { type Compressed, type Inflated, inflate, inflatePrefix } from './inflate.js';
import { isNpy, NPY_PREFIX_BYTES, type NpyHeader, parseNpyHeader } from './npy-header.js';
import { readZipDirectory, type ZipEntry } from './zip-directory.js';

/** An array as its header describes it; `layout` inflates it first where it is compressed. */
export interface FoundArray {
  readonly member: string;
  readonly type: ElementType;
  readonly shape: readonly number[];
  layout(): Promise<ArrayLayout>;
}

/** An open data file. */
export interface DataFile {
  readonly path: string;
  readonly format: DataFormat;
  readonly source: ByteSource;
  readonly arrays: readonly FoundArray[];
  /** Closes the file and drops what was inflated. Layouts must not be used any more. */
  close(): Promise<void>;
}

interface Opened {
  readonly format: DataFormat;
  readonly arrays: readonly FoundArray[];
}

/** Keeps what was inflated until the file is closed; each part is inflated at most once. */
class InflatedParts {
  readonly #parts: Promise<Inflated>[] = [];
  readonly #signal: AbortSignal | undefined;

  constructor(signal: AbortSignal | undefined) {
    this.#signal = signal;
  }

  once(from: Compressed, byteLength: number, memoryLimit: number): () => Promise<Inflated> {
    let part: Promise<Inflated> | undefined;
    return () => {
      if (part === undefined) {
        part = inflate(from, byteLength, memoryLimit, this.#signal);
        this.#parts.push(part);
      }
      return part;
    };
  }

  async release(): Promise<void> {
    for (const part of await Promise.allSettled(this.#parts)) {
      if (part.status === 'fulfilled') await part.value.release();
    }
  }
}

/** @param position where the values begin in the source */
function wholeArray(
  source: ByteSource,
  header: NpyHeader | IdxHeader,
  position: number,
  member: string,
): ArrayLayout {
  const { type, shape, byteOrder, order } = header;
  const segments = [{ firstRow: 0, rows: shape[0] ?? 0, position }];
  return { member, type, byteOrder, packing: 'bytes', order, shape, source, segments };
}

function truncated(
  path: string,
  what: string,
  shape: readonly number[],
  needed: number,
  has: number,
) {
  return new DataError(
    path,
    `${what} is truncated: its header says [${shape.join(', ')}], which takes ${needed} bytes; there are ${has}`,
  );
}

function openNpy(source: ByteSource, prefix: Uint8Array): Opened {
  const header = parseNpyHeader(source.path, 'the array', prefix);
  const needed = header.position + header.byteLength;
  if (needed > source.byteLength) {
    throw truncated(source.path, 'the array', header.shape, needed, source.byteLength);
  }
  const layout = wholeArray(source, header, header.position, '');
  return { format: DataFormat.NPY, arrays: [{ ...layout, layout: async () => layout }] };
}

function openIdx(source: ByteSource, prefix: Uint8Array): Opened {
  const header = parseIdxHeader(source.path, prefix);
  const needed = header.position + header.byteLength;
  if (needed > source.byteLength) {
    throw truncated(source.path, 'the array', header.shape, needed, source.byteLength);
  }
  if (needed < source.byteLength) {
    throw new DataError(
      source.path,
      `its IDX header says [${header.shape.join(', ')}], which takes ${needed} bytes; there are ${source.byteLength}`,
    );
  }
  const layout = wholeArray(source, header, header.position, '');
  return { format: DataFormat.IDX, arrays: [{ ...layout, layout: async () => layout }] };
}

async function openMember(
  source: ByteSource,
  entry: ZipEntry,
  parts: InflatedParts,
  memoryLimit: number,
): Promise<FoundArray> {
  const member = entry.name.slice(0, -'.npy'.length);
  const what = `member '${member}'`;
  const compressed: Compressed = {
    source,
    format: 'deflate',
    position: entry.position,
    byteLength: entry.compressedBytes,
    what,
    crc32: entry.crc32,
  };
  const prefixBytes = Math.min(entry.bytes, NPY_PREFIX_BYTES);
  const prefix =
    entry.method === 'stored'
      ? await readRange(source, entry.position, prefixBytes)
      : await inflatePrefix(compressed, prefixBytes);
  const header = parseNpyHeader(source.path, what, prefix);
  const needed = header.position + header.byteLength;
  if (needed > entry.bytes) {
    throw truncated(source.path, what, header.shape, needed, entry.bytes);
  }
  const { type, shape } = header;
  if (entry.method === 'stored') {
    const layout = wholeArray(source, header, entry.position + header.position, member);
    return { member, type, shape, layout: async () => layout };
  }
  const whole = parts.once(compressed, entry.bytes, memoryLimit);
  return {
    member,
    type,
    shape,
    layout: async () => wholeArray((await whole()).source, header, header.position, member),
  };
}

async function openNpz(
  source: ByteSource,
  parts: InflatedParts,
  memoryLimit: number,
): Promise<Opened> {
  const arrays: FoundArray[] = [];
  let unreadable: UnreadableArray | undefined;
  for (const entry of await readZipDirectory(source)) {
    if (!entry.name.endsWith('.npy')) continue;
    try {
      arrays.push(await openMember(source, entry, parts, memoryLimit));
    } catch (error) {
      // Text or pickled members beside the data are no reason to refuse the data.
      if (!(error instanceof UnreadableArray) || /^[xy]\.npy$/.test(entry.name)) throw error;
      unreadable ??= error;
    }
  }
  if (arrays.length === 0) {
    throw unreadable ?? new DataError(source.path, 'this ZIP archive holds no .npy array');
  }
  return { format: DataFormat.NPZ, arrays };
}

async function openGzip(
  source: ByteSource,
  parts: InflatedParts,
  memoryLimit: number,
): Promise<Opened> {
  const compressed: Compressed = {
    source,
    format: 'gzip',
    position: 0,
    byteLength: source.byteLength,
    what: 'the file',
  };
  const prefix = await inflatePrefix(compressed, NPY_PREFIX_BYTES);
  const header = isIdx(prefix)
    ? parseIdxHeader(source.path, prefix)
    : isNpy(prefix)
      ? parseNpyHeader(source.path, 'the array', prefix)
      : undefined;
  if (header === undefined) {
    throw new DataError(source.path, 'what is compressed in it is neither an IDX nor a .npy file');
  }
  // The trailer holds the inflated size modulo 2^32: a cheap first check before inflating.
  const byteLength = header.position + header.byteLength;
  const trailer = await readRange(source, source.byteLength - 4, 4);
  const claimed = new DataView(trailer.buffer).getUint32(0, true);
  if (claimed !== byteLength % 2 ** 32) {
    throw new DataError(
      source.path,
      `it is truncated or damaged: its header says [${header.shape.join(', ')}], which takes ${byteLength} bytes, its end says ${claimed}`,
    );
  }
  const inflated = await parts.once(compressed, byteLength, memoryLimit)();
  const bytes = await readRange(inflated.source, 0, Math.min(byteLength, NPY_PREFIX_BYTES));
  return isIdx(bytes) ? openIdx(inflated.source, bytes) : openNpy(inflated.source, bytes);
}

async function openFormat(
  source: ByteSource,
  parts: InflatedParts,
  memoryLimit: number,
): Promise<Opened> {
  if (source.byteLength === 0) throw new DataError(source.path, 'it is empty');
  const prefix = await readRange(source, 0, Math.min(source.byteLength, NPY_PREFIX_BYTES));
  if (isNpy(prefix)) return openNpy(source, prefix);
  if (prefix[0] === 0x50 && prefix[1] === 0x4b) return openNpz(source, parts, memoryLimit);
  if (isArrowFile(prefix) || isArrowStream(prefix)) {
    const layouts = await readArrowColumns(source, isArrowFile(prefix) ? 'file' : 'stream');
    return {
      format: DataFormat.ARROW,
      arrays: layouts.map((layout) => ({ ...layout, layout: async () => layout })),
    };
  }
  if (prefix[0] === 0x1f && prefix[1] === 0x8b) return openGzip(source, parts, memoryLimit);
  if (isIdx(prefix)) return openIdx(source, prefix);
  throw new DataError(source.path, 'it is none of .npz, .npy, Arrow IPC, IDX (or their .gz)');
}

/**
 * Opens a data file; the format is told by its first bytes, not by its name.
 * @param memoryLimit compressed arrays larger than this are inflated to a temporary file
 * @param signal stops inflating
 * @throws DataError when it cannot be read, is truncated, damaged, or of no known format
 */
export async function openDataFile(
  path: string,
  memoryLimit: number,
  signal?: AbortSignal,
): Promise<DataFile> {
  const source = await openSource(path);
  const parts = new InflatedParts(signal);
  const close = async () => {
    await parts.release();
    await closeSource(source);
  };
  try {
    const opened = await openFormat(source, parts, memoryLimit);
    return { path, source, ...opened, close };
  } catch (error) {
    await close();
    throw error;
  }
}
