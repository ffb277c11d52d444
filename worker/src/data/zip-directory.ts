// Reads the directory of a ZIP archive (zip64 included), by range.
import { type ByteSource, readRange } from './byte-source.js';
import { DataError } from './data-error.js';

export interface ZipEntry {
  readonly name: string;
  readonly method: 'stored' | 'deflated';
  readonly crc32: number;
  readonly compressedBytes: number;
  readonly bytes: number;
  /** Where the (compressed) bytes begin in the archive. */
  readonly position: number;
}

const END = 0x06054b50;
const END_64 = 0x06064b50;
const LOCATOR_64 = 0x07064b50;
const CENTRAL = 0x02014b50;
const LOCAL = 0x04034b50;

/** Larger directories than this belong to no data set. */
const LARGEST_DIRECTORY = 64 * 2 ** 20;

/** Deflate cannot shrink more than this (a run of 258 bytes in 2 bits). */
const LARGEST_RATIO = 1032;

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

async function findDirectory(
  archive: ByteSource,
): Promise<{ position: number; bytes: number; entries: number }> {
  const path = archive.path;
  const tailBytes = Math.min(archive.byteLength, 22 + 0xffff);
  const tailStart = archive.byteLength - tailBytes;
  const tail = viewOf(await readRange(archive, tailStart, tailBytes));
  let at = tailBytes - 22;
  while (
    at >= 0 &&
    !(tail.getUint32(at, true) === END && at + 22 + tail.getUint16(at + 20, true) === tailBytes)
  ) {
    at -= 1;
  }
  if (at < 0) {
    throw new DataError(path, 'it is truncated or damaged: a ZIP archive (.npz) without its end');
  }
  const entries = tail.getUint16(at + 10, true);
  const bytes = tail.getUint32(at + 12, true);
  const position = tail.getUint32(at + 16, true);
  if (entries !== 0xffff && bytes !== 0xffffffff && position !== 0xffffffff) {
    return { position, bytes, entries };
  }
  if (at < 20 || tail.getUint32(at - 20, true) !== LOCATOR_64) {
    return { position, bytes, entries };
  }
  const end64 = Number(tail.getBigUint64(at - 12, true));
  const record = viewOf(await readRange(archive, end64, 56));
  if (record.getUint32(0, true) !== END_64) {
    throw new DataError(path, 'its ZIP directory is damaged');
  }
  return {
    entries: Number(record.getBigUint64(32, true)),
    bytes: Number(record.getBigUint64(40, true)),
    position: Number(record.getBigUint64(48, true)),
  };
}

/** The 64-bit sizes of an entry: the ones whose 32-bit field is full, in the field's order. */
function zip64Fields(extra: DataView, full: readonly boolean[]): (number | undefined)[] {
  for (let at = 0; at + 4 <= extra.byteLength; ) {
    const size = extra.getUint16(at + 2, true);
    if (extra.getUint16(at, true) === 1) {
      let next = at + 4;
      const end = Math.min(at + 4 + size, extra.byteLength);
      return full.map((isFull) => {
        if (!isFull || next + 8 > end) return undefined;
        next += 8;
        return Number(extra.getBigUint64(next - 8, true));
      });
    }
    at += 4 + size;
  }
  return full.map(() => undefined);
}

/**
 * Lists the archive's members, in directory order, after checking their claims against the archive.
 * @throws DataError for archives that are damaged, encrypted, use other methods than stored and
 *   deflate, or claim sizes that cannot be
 */
export async function readZipDirectory(archive: ByteSource): Promise<ZipEntry[]> {
  const path = archive.path;
  const { position, bytes, entries } = await findDirectory(archive);
  if (bytes > LARGEST_DIRECTORY || entries * 46 > bytes) {
    throw new DataError(path, 'its ZIP directory is damaged: sizes that cannot be');
  }
  const directory = await readRange(archive, position, bytes);
  const view = viewOf(directory);
  const found: ZipEntry[] = [];
  for (let at = 0, i = 0; i < entries; i++) {
    if (at + 46 > bytes || view.getUint32(at, true) !== CENTRAL) {
      throw new DataError(path, `its ZIP directory is damaged at entry ${i}`);
    }
    const nameBytes = view.getUint16(at + 28, true);
    const extraBytes = view.getUint16(at + 30, true);
    const next = at + 46 + nameBytes + extraBytes + view.getUint16(at + 32, true);
    if (next > bytes) throw new DataError(path, `its ZIP directory is damaged at entry ${i}`);
    const name = new TextDecoder().decode(directory.subarray(at + 46, at + 46 + nameBytes));
    const extra = viewOf(directory.subarray(at + 46 + nameBytes, at + 46 + nameBytes + extraBytes));
    const size32 = view.getUint32(at + 24, true);
    const compressed32 = view.getUint32(at + 20, true);
    const offset32 = view.getUint32(at + 42, true);
    const [size64, compressed64, offset64] = zip64Fields(
      extra,
      [size32, compressed32, offset32].map((field) => field === 0xffffffff),
    );
    const method = view.getUint16(at + 10, true);
    if ((view.getUint16(at + 8, true) & 1) !== 0) {
      throw new DataError(path, `its member '${name}' is encrypted`);
    }
    if (method !== 0 && method !== 8) {
      throw new DataError(path, `its member '${name}' is compressed by ZIP method ${method}`);
    }
    const compressedBytes = compressed64 ?? compressed32;
    const size = size64 ?? size32;
    const lies =
      method === 0
        ? size !== compressedBytes
        : size > LARGEST_RATIO * compressedBytes + LARGEST_RATIO;
    if (lies) {
      throw new DataError(
        path,
        `its member '${name}' claims ${size} bytes in ${compressedBytes}, which cannot be`,
      );
    }
    const header = offset64 ?? offset32;
    const local = viewOf(await readRange(archive, header, 30));
    if (local.getUint32(0, true) !== LOCAL) {
      throw new DataError(path, `its member '${name}' is not where the ZIP directory says`);
    }
    const start = header + 30 + local.getUint16(26, true) + local.getUint16(28, true);
    if (start + compressedBytes > archive.byteLength) {
      throw new DataError(path, `its member '${name}' is truncated`);
    }
    found.push({
      name,
      method: method === 0 ? 'stored' : 'deflated',
      crc32: view.getUint32(at + 16, true),
      compressedBytes,
      bytes: size,
      position: start,
    });
    at = next;
  }
  return found;
}
