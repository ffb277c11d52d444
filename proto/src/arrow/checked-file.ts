// Opens Arrow files of ours: checks every length that the file states before apache-arrow trusts it.
import { type Table, tableFromIPC } from 'apache-arrow';
import { FlatTable, MalformedFlatBuffer } from './flatbuffer.js';

/** What is wrong with the file. */
class DamagedArrowFile extends Error {}

const MAGIC = 'ARROW1';
/** The end of a file: the footer's length (int32) and the magic. */
const END = 10;
/** struct Block { offset: int64, metaDataLength: int32, bodyLength: int64 }, 8-byte aligned. */
const BLOCK = 24;
/** struct FieldNode { length, nullCount: int64 } and struct Buffer { offset, length: int64 }. */
const PAIR = 16;
const RECORD_BATCH = 3;
/** Codes of the Type union that our files have: Int, FloatingPoint, Utf8, Bool, List, FixedSizeList. */
const TYPES: ReadonlySet<number> = new Set([2, 3, 5, 6, 12, 16]);
const DEEPEST = 8;

/**
 * The table of an Arrow file with plain columns: numbers, texts, booleans and lists of them,
 * neither compressed nor dictionary-encoded.
 * @param refusal makes the error for anything else
 */
export function openArrowFile(
  bytes: Uint8Array,
  refusal: (reason: string, cause: unknown) => Error,
): Table {
  try {
    const footer = checkedFooter(bytes);
    const schema = footer.table(1);
    for (const field of schema?.tables(1) ?? []) checkField(field, 0);
    for (const pair of schema?.tables(2) ?? []) pair.string(1);
    if (footer.length(2, BLOCK) > 0) throw new DamagedArrowFile('it has dictionaries');
    for (let block = 0; block < footer.length(3, BLOCK); block++) checkBatch(bytes, footer, block);
    return tableFromIPC(bytes);
  } catch (error) {
    if (error instanceof DamagedArrowFile) throw refusal(error.message, undefined);
    if (error instanceof MalformedFlatBuffer) throw refusal('its metadata are damaged', error);
    throw refusal('it cannot be read as an Arrow file', error);
  }
}

function isMagic(bytes: Uint8Array): boolean {
  return new TextDecoder('latin1').decode(bytes) === MAGIC;
}

function checkedFooter(bytes: Uint8Array): FlatTable {
  if (!isMagic(bytes.subarray(0, MAGIC.length)))
    throw new DamagedArrowFile('it does not begin like an Arrow file');
  const end = bytes.length - END;
  if (end < 8 || !isMagic(bytes.subarray(-MAGIC.length)))
    throw new DamagedArrowFile('it is cut short');
  const length = viewOf(bytes).getInt32(end, true);
  if (length <= 0 || length > end - 8) throw new DamagedArrowFile('its footer is damaged');
  return FlatTable.root(bytes.subarray(end - length, end));
}

const viewOf = (bytes: Uint8Array) =>
  new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

/** Name, type, children and metadata of a column, as deep as it is nested. */
function checkField(field: FlatTable, depth: number): void {
  const type = field.byte(2);
  if (!TYPES.has(type) || depth > DEEPEST || field.table(4) !== undefined)
    throw new DamagedArrowFile(`it has a column of another type (${type})`);
  field.string(0);
  for (const pair of field.tables(6)) pair.string(1);
  for (const child of field.tables(5)) checkField(child, depth + 1);
}

/** Where a record batch lies, and that its buffers and counts fit into it. */
function checkBatch(bytes: Uint8Array, footer: FlatTable, block: number): void {
  const offset = footer.structInt64(3, BLOCK, block, 0);
  const metadataLength = footer.structInt32(3, BLOCK, block, 8);
  const damaged = new DamagedArrowFile(`its record batch ${block} is damaged`);
  if (offset < 8 || metadataLength < 16 || offset + metadataLength > bytes.length) throw damaged;
  const view = viewOf(bytes);
  const stated = view.getInt32(offset + 4, true);
  if (view.getInt32(offset, true) !== -1 || stated !== metadataLength - 8) throw damaged;
  const message = FlatTable.root(bytes.subarray(offset + 8, offset + metadataLength));
  const batch = message.table(2);
  const bodyLength = message.int64(3);
  if (message.byte(1) !== RECORD_BATCH || batch === undefined || bodyLength < 0) throw damaged;
  if (offset + metadataLength + bodyLength > bytes.length) throw damaged;
  if (batch.table(3) !== undefined) throw new DamagedArrowFile('it is compressed');
  const mostValues = 8 * bytes.length;
  const within = (value: number, most: number) => value >= 0 && value <= most;
  if (!within(batch.int64(0), mostValues)) throw damaged;
  for (let node = 0; node < batch.length(1, PAIR); node++) {
    const length = batch.structInt64(1, PAIR, node, 0);
    if (!within(length, mostValues)) throw damaged;
    if (!within(batch.structInt64(1, PAIR, node, 8), length)) throw damaged;
  }
  for (let buffer = 0; buffer < batch.length(2, PAIR); buffer++) {
    const begin = batch.structInt64(2, PAIR, buffer, 0);
    const length = batch.structInt64(2, PAIR, buffer, 8);
    if (!within(begin, bodyLength) || !within(length, bodyLength - begin)) throw damaged;
  }
}
