// Matrix files of the result folder: one FixedSizeList<float64> column, one row per matrix row.
import {
  Field,
  FixedSizeList,
  Float64,
  makeData,
  RecordBatch,
  Schema,
  Struct,
  Table,
} from 'apache-arrow';
import { KronlensError } from '../errors/kronlens-error.js';
import { openArrowFile } from './checked-file.js';
import { encodeArrowFile } from './encode-file.js';

export interface MatrixFile {
  /** The layer's true name; empty for matrices of the whole model. */
  readonly layer: string;
  /** What the matrix is, e.g. "input autocorrelation E[x x^T]". */
  readonly what: string;
  /** Sum or mean, over what. */
  readonly normalisation: string;
  readonly rows: number;
  readonly columns: number;
  /** Row-major, rows * columns. */
  readonly values: Float64Array;
  /** Further facts for the schema metadata. */
  readonly metadata?: Readonly<Record<string, string>>;
}

export class MalformedMatrixFileError extends KronlensError {
  constructor(reason: string, cause?: unknown) {
    super('malformed-matrix-file', `this is no matrix file: ${reason}`, { badInput: true, cause });
  }
}

/** The bytes of a matrix file; the same matrix gives the same bytes. */
export function encodeMatrixFile(matrix: MatrixFile): Uint8Array {
  const { rows, columns, values } = matrix;
  if (values.length !== rows * columns)
    throw new Error(`${rows} x ${columns} matrix has ${values.length} values`);
  const metadata = new Map([
    ['layer', matrix.layer],
    ['what', matrix.what],
    ['normalisation', matrix.normalisation],
    ...Object.entries(matrix.metadata ?? {}).sort(([a], [b]) => (a < b ? -1 : 1)),
  ]);
  const type = new FixedSizeList(columns, new Field('item', new Float64(), false));
  const schema = new Schema([new Field('values', type, false)], metadata);
  const column = makeData({
    type,
    length: rows,
    nullCount: 0,
    child: makeData({ type: new Float64(), data: values }),
  });
  const data = makeData({
    type: new Struct(schema.fields),
    length: rows,
    nullCount: 0,
    children: [column],
  });
  return encodeArrowFile(new Table(schema, [new RecordBatch(schema, data)]));
}

/** @throws MalformedMatrixFileError */
export function decodeMatrixFile(bytes: Uint8Array): MatrixFile {
  const refusal = (reason: string, cause: unknown) => new MalformedMatrixFileError(reason, cause);
  const table = openArrowFile(bytes, refusal);
  const column = table.getChild('values');
  if (column === null || !(column.type instanceof FixedSizeList))
    throw new MalformedMatrixFileError("it has no column 'values' of fixed-size lists");
  const columns = column.type.listSize;
  const rows = table.numRows;
  const stored = column.data.reduce((sum, chunk) => sum + (chunk.children[0]?.length ?? 0), 0);
  if (rows * columns !== stored)
    throw new MalformedMatrixFileError('its number of values is not rows times columns');
  const values = new Float64Array(stored);
  let at = 0;
  for (const chunk of column.data) {
    const child: unknown = chunk.children[0]?.values;
    if (!(child instanceof Float64Array) || child.length < chunk.length * columns)
      throw new MalformedMatrixFileError('its values are cut short or no float64');
    values.set(child.subarray(0, chunk.length * columns), at);
    at += chunk.length * columns;
  }
  const {
    layer = '',
    what = '',
    normalisation = '',
    ...metadata
  } = Object.fromEntries(table.schema.metadata);
  return { layer, what, normalisation, rows, columns, values, metadata };
}
