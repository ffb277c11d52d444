// Reads the header of the IDX format that MNIST and its relatives come in.
import { ElementType } from '@kronlens/proto';
import { checkedByteLength } from './array-layout.js';
import { DataError } from './data-error.js';

const TYPES: Readonly<Record<number, ElementType>> = {
  8: ElementType.UINT8,
  9: ElementType.INT8,
  11: ElementType.INT16,
  12: ElementType.INT32,
  13: ElementType.FLOAT32,
  14: ElementType.FLOAT64,
};

export interface IdxHeader {
  readonly type: ElementType;
  readonly shape: readonly number[];
  readonly byteOrder: 'big';
  readonly order: 'c';
  /** Where the values begin. */
  readonly position: number;
  /** Bytes of all values. */
  readonly byteLength: number;
}

/** True when the bytes begin like an IDX file: two zeros, a type code, a number of dimensions. */
export function isIdx(prefix: Uint8Array): boolean {
  const [a, b, code, dimensions] = prefix;
  if (a !== 0 || b !== 0 || code === undefined || dimensions === undefined) return false;
  return TYPES[code] !== undefined && dimensions >= 1 && dimensions <= 8;
}

/** Parses the first bytes of an IDX file. @throws DataError when the header is damaged */
export function parseIdxHeader(path: string, prefix: Uint8Array): IdxHeader {
  const type = TYPES[prefix[2] ?? 0];
  const dimensions = prefix[3] ?? 0;
  if (!isIdx(prefix) || type === undefined) throw new DataError(path, 'it is not in IDX format');
  const position = 4 + 4 * dimensions;
  if (prefix.byteLength < position) throw new DataError(path, 'it is truncated within its header');
  const view = new DataView(prefix.buffer, prefix.byteOffset, prefix.byteLength);
  const shape = Array.from({ length: dimensions }, (_, i) => view.getUint32(4 + 4 * i));
  return {
    type,
    byteOrder: 'big',
    order: 'c',
    shape,
    position,
    byteLength: checkedByteLength(path, 'the array', shape, type),
  };
}
