// Writes Arrow files as the format has them: a stream with its schema in front, then the footer.
import {
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

/** The bytes of an Arrow file; the same table gives the same bytes. */
export function encodeArrowFile<T extends TypeMap>(table: Table<T>): Uint8Array {
  const writer = new FileWriter<T>();
  writer.reset(undefined, table.schema);
  for (const batch of table.batches) writer.write(batch);
  writer.finish();
  return writer.toUint8Array(true);
}
