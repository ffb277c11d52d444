// Finds the schema and the record batches of an Arrow IPC file or stream, by their headers alone.
import { FlatTable } from '@kronlens/proto';
import { type ByteSource, readRange } from './byte-source.js';
import { DataError } from './data-error.js';

const MAGIC = 'ARROW1';
const CONTINUATION = 0xffffffff;

// Codes of the MessageHeader union.
const SCHEMA = 1;
const RECORD_BATCH = 3;

/** Metadata larger than this belong to no data set. */
const LARGEST_METADATA = 64 * 2 ** 20;

/** One record batch: its header, and where its buffers lie. */
export interface ArrowBatch {
  readonly header: FlatTable;
  /** Where the body with the buffers begins. */
  readonly body: number;
  readonly bodyBytes: number;
}

export interface ArrowContents {
  readonly schema: FlatTable;
  readonly batches: readonly ArrowBatch[];
}

/** True when the bytes begin like an Arrow IPC file. */
export function isArrowFile(prefix: Uint8Array): boolean {
  return new TextDecoder('latin1').decode(prefix.subarray(0, 6)) === MAGIC;
}

/** True when the bytes begin like an Arrow IPC stream. */
export function isArrowStream(prefix: Uint8Array): boolean {
  return prefix.byteLength >= 8 && [0, 1, 2, 3].every((i) => prefix[i] === 0xff);
}

interface Message {
  readonly type: number;
  readonly header: FlatTable;
  readonly bodyBytes: number;
}

function parseMessage(metadata: Uint8Array): Message | undefined {
  const message = FlatTable.root(metadata);
  const header = message.table(2);
  return header && { type: message.byte(1), header, bodyBytes: message.int64(3) };
}

/** @throws DataError when the batch is damaged, reaches past the end, or is compressed */
function batchOf(
  source: ByteSource,
  header: FlatTable,
  body: number,
  bodyBytes: number,
  i: number,
) {
  if (bodyBytes < 0) throw new DataError(source.path, `its Arrow record batch ${i} is damaged`);
  if (body + bodyBytes > source.byteLength) {
    throw new DataError(source.path, `it is truncated within Arrow record batch ${i}`);
  }
  if (header.table(3) !== undefined) {
    throw new DataError(
      source.path,
      'its Arrow record batches are compressed; write the file uncompressed so that it can be read by range',
    );
  }
  return { header, body, bodyBytes };
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

async function readFileBatch(
  source: ByteSource,
  footer: FlatTable,
  i: number,
): Promise<ArrowBatch> {
  // struct Block { offset: int64, metaDataLength: int32 (padded to 8), bodyLength: int64 }
  const offset = footer.structInt64(3, 24, i, 0);
  const metadataBytes = footer.structInt32(3, 24, i, 8);
  const bodyBytes = footer.structInt64(3, 24, i, 16);
  const damaged = () => new DataError(source.path, `its Arrow record batch ${i} is damaged`);
  if (metadataBytes < 8 || metadataBytes > LARGEST_METADATA) throw damaged();
  const metadata = await readRange(source, offset, metadataBytes);
  // Files older than Arrow 0.15 lack the continuation marker.
  const marked = new DataView(metadata.buffer).getUint32(0, true) === CONTINUATION;
  const message = parseMessage(metadata.subarray(marked ? 8 : 4));
  if (message?.type !== RECORD_BATCH) throw damaged();
  return batchOf(source, message.header, offset + metadataBytes, bodyBytes, i);
}

/**
 * The contents of a file, by its footer.
 * @throws DataError for files that are truncated, damaged or compressed; MalformedFlatBuffer
 */
export async function readFileContents(source: ByteSource): Promise<ArrowContents> {
  const footer = await readFooter(source);
  const schema = footer.table(1);
  if (schema === undefined) throw new DataError(source.path, 'its Arrow footer has no schema');
  const batches: ArrowBatch[] = [];
  for (let i = 0; i < footer.length(3, 24); i++) {
    batches.push(await readFileBatch(source, footer, i));
  }
  return { schema, batches };
}

/**
 * The contents of a stream, by walking over its messages.
 * @throws DataError for streams that are truncated, damaged or compressed; MalformedFlatBuffer
 */
export async function readStreamContents(source: ByteSource): Promise<ArrowContents> {
  const batches: ArrowBatch[] = [];
  let schema: FlatTable | undefined;
  for (let at = 0; at < source.byteLength; ) {
    const start = new DataView((await readRange(source, at, 8)).buffer);
    const metadataBytes = start.getInt32(4, true);
    if (start.getUint32(0, true) !== CONTINUATION || metadataBytes < 0) {
      throw new DataError(source.path, `its Arrow stream is damaged at byte ${at}`);
    }
    // An empty message ends the stream.
    if (metadataBytes === 0) break;
    if (metadataBytes > LARGEST_METADATA) {
      throw new DataError(source.path, `its Arrow stream is damaged at byte ${at}`);
    }
    const message = parseMessage(await readRange(source, at + 8, metadataBytes));
    if (message === undefined) {
      throw new DataError(source.path, `its Arrow stream is damaged at byte ${at}`);
    }
    const { type, header, bodyBytes } = message;
    const body = at + 8 + metadataBytes;
    if (type === SCHEMA) schema ??= header;
    // What remain are dictionaries, whose columns are passed over.
    if (type === RECORD_BATCH) {
      batches.push(batchOf(source, header, body, bodyBytes, batches.length));
    } else if (bodyBytes < 0) {
      throw new DataError(source.path, `its Arrow stream is damaged at byte ${at}`);
    }
    at = body + bodyBytes;
  }
  if (schema === undefined) throw new DataError(source.path, 'its Arrow stream has no schema');
  return { schema, batches };
}
