// Finds the numeric columns of an Arrow IPC file and where in it their rows lie.
import { type ArrayLayout, checkedByteLength, elementBytes, type Segment } from './array-layout.js';
import { type ArrowColumn, numericColumns } from './arrow-schema.js';
import { type ByteSource, readRange } from './byte-source.js';
import { DataError, UnreadableArray } from './data-error.js';
import { FlatTable, MalformedFlatBuffer } from './flatbuffer.js';

const MAGIC = 'ARROW1';
const RECORD_BATCH = 3;

/** Metadata larger than this belong to no data set. */
const LARGEST_METADATA = 64 * 2 ** 20;

/** True when the bytes begin like an Arrow IPC file. */
export function isArrowFile(prefix: Uint8Array): boolean {
  return new TextDecoder('latin1').decode(prefix.subarray(0, 6)) === MAGIC;
}

async function readFooter(source: ByteSource): Promise<FlatTable> {
  const end = await readRange(source, Math.max(0, source.byteLength - 10), 10);
  if (new TextDecoder('latin1').decode(end.subarray(4)) !== MAGIC) {
    throw new DataError(source.path, 'it is truncated: an Arrow IPC file without its footer');
  }
  const length = new DataView(end.buffer).getInt32(0, true);
  if (length <= 0 || length > LARGEST_METADATA || length + 18 > source.byteLength) {
    throw new DataError(source.path, 'its Arrow footer is damaged');
  }
  return FlatTable.root(await readRange(source, source.byteLength - 10 - length, length));
}

/** One record batch: the header, and where its buffers begin in the file. */
interface Batch {
  readonly header: FlatTable;
  readonly body: number;
  readonly bodyBytes: number;
}

async function readBatch(source: ByteSource, footer: FlatTable, i: number): Promise<Batch> {
  // struct Block { offset: int64, metaDataLength: int32 (padded to 8), bodyLength: int64 }
  const offset = footer.structInt64(3, 24, i, 0);
  const metadataBytes = footer.structInt32(3, 24, i, 8);
  const bodyBytes = footer.structInt64(3, 24, i, 16);
  if (metadataBytes < 8 || metadataBytes > LARGEST_METADATA || bodyBytes < 0) {
    throw new DataError(source.path, `its Arrow record batch ${i} is damaged`);
  }
  if (offset + metadataBytes + bodyBytes > source.byteLength) {
    throw new DataError(source.path, `it is truncated within Arrow record batch ${i}`);
  }
  const metadata = await readRange(source, offset, metadataBytes);
  // Files older than Arrow 0.15 lack the continuation marker.
  const marked = new DataView(metadata.buffer).getUint32(0, true) === 0xffffffff;
  const message = FlatTable.root(metadata.subarray(marked ? 8 : 4));
  const header = message.table(2);
  if (message.byte(1) !== RECORD_BATCH || header === undefined) {
    throw new DataError(source.path, `its Arrow record batch ${i} is damaged`);
  }
  if (header.table(3) !== undefined) {
    throw new DataError(
      source.path,
      'its Arrow record batches are compressed; write the file uncompressed so that it can be read by range',
    );
  }
  return { header, body: offset + metadataBytes, bodyBytes };
}

function columnSegment(
  path: string,
  column: ArrowColumn,
  batch: Batch,
  firstRow: number,
): Segment & { readonly rows: number } {
  const { header } = batch;
  const rows = header.int64(0);
  const damaged = () => new DataError(path, `its Arrow column '${column.name}' is damaged`);
  if (rows < 0 || header.length(1, 16) < column.firstNode + column.nodes) throw damaged();
  let expected = rows;
  for (let level = 0; level < column.nodes; level++) {
    const node = column.firstNode + level;
    if (header.structInt64(1, 16, node, 8) > 0) {
      throw new DataError(path, `its Arrow column '${column.name}' has nulls; fill or drop them`);
    }
    if (header.structInt64(1, 16, node, 0) < expected) throw damaged();
    expected *= column.listSizes[level] ?? 1;
  }
  if (header.length(2, 16) <= column.valuesBuffer) throw damaged();
  const offset = header.structInt64(2, 16, column.valuesBuffer, 0);
  const length = header.structInt64(2, 16, column.valuesBuffer, 8);
  const needed = column.bits ? Math.ceil(expected / 8) : expected * elementBytes(column.type);
  if (offset < 0 || length < needed || offset + length > batch.bodyBytes) throw damaged();
  return { firstRow, rows, position: batch.body + offset };
}

/**
 * The numeric columns of an Arrow IPC file as arrays. Reads the footer and the batches' headers.
 * @throws DataError for files that are truncated, damaged, compressed or have nulls;
 *   UnreadableArray when no column is numeric
 */
export async function readArrowFile(source: ByteSource): Promise<ArrayLayout[]> {
  const path = source.path;
  try {
    const footer = await readFooter(source);
    const schema = footer.table(1);
    if (schema === undefined) throw new DataError(path, 'its Arrow footer has no schema');
    const columns = numericColumns(path, schema);
    if (columns.length === 0) {
      throw new UnreadableArray(
        path,
        'no column of it is numeric (numbers, or fixed-size lists of them)',
      );
    }
    const segments = columns.map((): Segment[] => []);
    let samples = 0;
    const batches = footer.length(3, 24);
    for (let i = 0; i < batches; i++) {
      const batch = await readBatch(source, footer, i);
      const rows = batch.header.int64(0);
      if (rows === 0) continue;
      columns.forEach((column, c) => {
        segments[c]?.push(columnSegment(path, column, batch, samples));
      });
      samples += rows;
    }
    return columns.map((column, c) => {
      const shape = [samples, ...column.rowShape];
      checkedByteLength(path, `column '${column.name}'`, shape, column.type);
      return {
        member: column.name,
        type: column.type,
        byteOrder: 'little',
        packing: column.bits ? 'bits' : 'bytes',
        shape,
        source,
        segments: segments[c] ?? [],
      };
    });
  } catch (cause) {
    if (cause instanceof MalformedFlatBuffer || cause instanceof RangeError) {
      throw new DataError(path, 'its Arrow metadata are damaged', {}, cause);
    }
    throw cause;
  }
}
