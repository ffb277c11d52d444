// Writes Arrow files as the format has them: a stream with its schema in front, then the footer.
import {
  AsyncByteQueue,
  Message,
  RecordBatchFileWriter,
  type Schema,
  type Table,
  type TypeMap,
} from 'apache-arrow';

/**
 * apache-arrow leaves out the schema message, which the format asks for: readers that go by the
 * footer do not miss it, but those that read the file from its beginning fail.
 */
class FileWriter<T extends TypeMap> extends RecordBatchFileWriter<T> {
  protected override _writeSchema(schema: Schema<T>): this {
    super._writeSchema(schema);
    return this._writeMessage(Message.from(schema));
  }
}

/** Keeps what is written, unlike its base, which joins it. */
class Chunks extends AsyncByteQueue {
  readonly list: Uint8Array[] = [];

  override write(chunk: Uint8Array): void {
    if (chunk.byteLength > 0) this.list.push(chunk);
  }
}

/**
 * The bytes of an Arrow file piece by piece; columns are views of the table's memory, not copied.
 * The same table gives the same bytes.
 */
export function arrowFileChunks<T extends TypeMap>(table: Table<T>): readonly Uint8Array[] {
  const chunks = new Chunks();
  const writer = new FileWriter<T>();
  writer.reset(chunks, table.schema);
  for (const batch of table.batches) writer.write(batch);
  writer.finish();
  return chunks.list;
}

/** The bytes of an Arrow file, in memory of their own; the same table gives the same bytes. */
export function encodeArrowFile<T extends TypeMap>(table: Table<T>): Uint8Array<ArrayBuffer> {
  const chunks = arrowFileChunks(table);
  const file = new Uint8Array(chunks.reduce((total, { byteLength }) => total + byteLength, 0));
  let at = 0;
  for (const chunk of chunks) {
    file.set(chunk, at);
    at += chunk.byteLength;
  }
  return file;
}
