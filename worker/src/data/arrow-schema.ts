// Which columns of an Arrow schema are arrays of numbers, and where their buffers come in a batch.
import { ElementType, type FlatTable } from '@kronlens/proto';
import { DataError } from './data-error.js';

/** One column that can be read: numbers, or fixed-size lists of them to any depth. */
export interface ArrowColumn {
  readonly name: string;
  readonly type: ElementType;
  readonly bits: boolean;
  /** Shape of one row; empty for plain numbers. */
  readonly rowShape: readonly number[];
  /** Index of the first field node in a record batch; one for each list level, then the values'. */
  readonly firstNode: number;
  readonly nodes: number;
  /** Sizes of the lists, outermost first. */
  readonly listSizes: readonly number[];
  /** Index of the values' buffer in a record batch, view columns before it counted with 2 buffers. */
  readonly valuesBuffer: number;
  /** View columns before it: they have further buffers, whose number each batch tells. */
  readonly viewsBefore: number;
}

// Codes of the Type union and field numbers of Schema.fbs.
const INT = 2;
const FLOATING_POINT = 3;
const BOOL = 6;
const FIXED_SIZE_LIST = 16;
const BINARY_VIEW = 23;
const UTF8_VIEW = 24;

/** Buffers that a field of each type has of its own, validity included, by Type code. */
const BUFFERS: Readonly<Record<number, number>> = {
  1: 0, // Null
  [INT]: 2,
  [FLOATING_POINT]: 2,
  4: 3, // Binary
  5: 3, // Utf8
  [BOOL]: 2,
  7: 2, // Decimal
  8: 2, // Date
  9: 2, // Time
  10: 2, // Timestamp
  11: 2, // Interval
  12: 2, // List
  13: 1, // Struct
  15: 2, // FixedSizeBinary
  [FIXED_SIZE_LIST]: 1,
  17: 2, // Map
  18: 2, // Duration
  19: 3, // LargeBinary
  20: 3, // LargeUtf8
  21: 2, // LargeList
  22: 0, // RunEndEncoded
  [BINARY_VIEW]: 2,
  [UTF8_VIEW]: 2,
  25: 3, // ListView
  26: 3, // LargeListView
};
const DEEPEST = 32;
const MOST_FIELDS = 100_000;

const INTEGERS: Readonly<Record<string, ElementType>> = {
  s8: ElementType.INT8,
  s16: ElementType.INT16,
  s32: ElementType.INT32,
  s64: ElementType.INT64,
  u8: ElementType.UINT8,
  u16: ElementType.UINT16,
  u32: ElementType.UINT32,
  u64: ElementType.UINT64,
};
const FLOATS = [ElementType.FLOAT16, ElementType.FLOAT32, ElementType.FLOAT64];

function numberType(field: FlatTable): ElementType | undefined {
  const type = field.table(3);
  switch (field.byte(2)) {
    case INT:
      return type && INTEGERS[`${type.byte(1) === 1 ? 's' : 'u'}${type.int32(0)}`];
    case FLOATING_POINT:
      return FLOATS[type?.int16(0) ?? 0];
    case BOOL:
      return ElementType.BOOL;
    default:
      return undefined;
  }
}

/** The shape that the canonical extension type `arrow.fixed_shape_tensor` gives a row. */
function tensorShape(field: FlatTable): number[] | undefined {
  const metadata = new Map(field.tables(6).map((pair) => [pair.string(0), pair.string(1)]));
  if (metadata.get('ARROW:extension:name') !== 'arrow.fixed_shape_tensor') return undefined;
  try {
    const parsed: unknown = JSON.parse(metadata.get('ARROW:extension:metadata') ?? '');
    if (typeof parsed !== 'object' || parsed === null || !('shape' in parsed)) return undefined;
    if ('permutation' in parsed && Array.isArray(parsed.permutation)) {
      if (parsed.permutation.some((axis, i) => axis !== i)) return undefined;
    }
    const shape = Array.isArray(parsed.shape) ? parsed.shape.map(Number) : [];
    return shape.every((size) => Number.isSafeInteger(size) && size > 0) ? shape : undefined;
  } catch {
    return undefined;
  }
}

/**
 * The columns of a schema that hold numbers; others (text, variable-size lists, ...) are passed over.
 * @param path the file, for messages
 * @throws DataError for big-endian files and schemas nested deeper than any data
 */
export function numericColumns(path: string, schema: FlatTable): ArrowColumn[] {
  if (schema.int16(0) !== 0) throw new DataError(path, 'it is a big-endian Arrow file');
  const columns: ArrowColumn[] = [];
  let nodes = 0;
  let buffers = 0;
  let views = 0;
  // Union columns have buffers whose number depends on the format's version.
  let countable = true;
  const skip = (field: FlatTable, depth: number): void => {
    if (depth > DEEPEST || nodes > MOST_FIELDS) {
      throw new DataError(path, 'its Arrow schema is nested or repeated beyond any sense');
    }
    nodes += 1;
    if (field.table(4) !== undefined) {
      // Dictionary-encoded: a batch holds the indices only.
      buffers += 2;
      return;
    }
    const code = field.byte(2);
    const own = BUFFERS[code];
    if (own === undefined) {
      countable = false;
      return;
    }
    if (code === BINARY_VIEW || code === UTF8_VIEW) views += 1;
    buffers += own;
    for (const child of field.tables(5)) skip(child, depth + 1);
  };
  for (const field of schema.tables(1)) {
    if (!countable) break;
    const [firstNode, firstBuffer, viewsBefore] = [nodes, buffers, views];
    skip(field, 0);
    if (!countable) break;
    const listSizes: number[] = [];
    let inner: FlatTable | undefined = field;
    while (inner?.byte(2) === FIXED_SIZE_LIST) {
      listSizes.push(inner.table(3)?.int32(0) ?? 0);
      inner = inner.tables(5)[0];
    }
    const type = inner === undefined || inner.table(4) ? undefined : numberType(inner);
    if (type === undefined || listSizes.some((size) => size <= 0)) continue;
    const values = listSizes.reduce((product, size) => product * size, 1);
    const declared = tensorShape(field);
    const fits = declared?.reduce((product, size) => product * size, 1) === values;
    columns.push({
      name: field.string(0),
      type,
      bits: type === ElementType.BOOL,
      rowShape: declared !== undefined && fits ? declared : listSizes,
      firstNode,
      nodes: listSizes.length + 1,
      listSizes,
      valuesBuffer: firstBuffer + listSizes.length + 1,
      viewsBefore,
    });
  }
  return columns;
}
