// Finds the numeric columns of an Arrow IPC file or stream and where in it their rows lie.
import { type FlatTable, MalformedFlatBuffer } from '@kronlens/proto';
import { type ArrayLayout, checkedByteLength, elementBytes, type Segment } from './array-layout.js';
import { type ArrowBatch, readFileContents, readStreamContents } from './arrow-messages.js';
import { type ArrowColumn, numericColumns } from './arrow-schema.js';
import type { ByteSource } from './byte-source.js';
import { DataError, UnreadableArray } from './data-error.js';

/** The buffers that a batch's first view columns have beyond those that all view columns have. */
function viewBuffers(header: FlatTable, views: number): number {
  let buffers = 0;
  if (views > 0 && header.length(4, 8) < views) throw new MalformedFlatBuffer('view buffers');
  for (let i = 0; i < views; i++) buffers += header.structInt64(4, 8, i, 0);
  return buffers;
}

function columnSegment(
  path: string,
  column: ArrowColumn,
  batch: ArrowBatch,
  firstRow: number,
): Segment {
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
  const valuesBuffer = column.valuesBuffer + viewBuffers(header, column.viewsBefore);
  if (header.length(2, 16) <= valuesBuffer) throw damaged();
  const offset = header.structInt64(2, 16, valuesBuffer, 0);
  const length = header.structInt64(2, 16, valuesBuffer, 8);
  const needed = column.bits ? Math.ceil(expected / 8) : expected * elementBytes(column.type);
  if (offset < 0 || length < needed || offset + length > batch.bodyBytes) throw damaged();
  return { firstRow, rows, position: batch.body + offset };
}

/**
 * The numeric columns of an Arrow IPC file or stream as arrays. Only headers are read.
 * @throws DataError for data that are truncated, damaged, compressed or have nulls;
 *   UnreadableArray when no column is numeric
 */
export async function readArrowColumns(
  source: ByteSource,
  kind: 'file' | 'stream',
): Promise<ArrayLayout[]> {
  const path = source.path;
  try {
    const contents = await (kind === 'file' ? readFileContents : readStreamContents)(source);
    const columns = numericColumns(path, contents.schema);
    if (columns.length === 0) {
      throw new UnreadableArray(
        path,
        'no column of it is numeric (numbers, or fixed-size lists of them)',
      );
    }
    const segments = columns.map((): Segment[] => []);
    let samples = 0;
    for (const batch of contents.batches) {
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
        order: 'c',
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
