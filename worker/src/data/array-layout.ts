// What every data file comes down to: rows of equal size, in order, at known places.
import { ElementType } from '@kronlens/proto';
import type { ByteSource } from './byte-source.js';
import { DataError } from './data-error.js';

/** Consecutive rows that lie without gaps. */
export interface Segment {
  /** Index of its first row in the array. */
  readonly firstRow: number;
  readonly rows: number;
  /** Where its first row begins in the source; a later row may begin within a byte. */
  readonly position: number;
}

/** One array of a data file: plain data, so that threads can be sent it and read rows themselves. */
export interface ArrayLayout {
  /** Member of an .npz, column of an Arrow file; empty where the file holds one array. */
  readonly member: string;
  readonly type: ElementType;
  readonly byteOrder: 'little' | 'big';
  /** Booleans of Arrow files are stored as bits, least significant first. */
  readonly packing: 'bytes' | 'bits';
  /**
   * In C order rows lie one after the other. In Fortran order the first index changes fastest, so a
   * row is scattered over the whole array, which is one segment.
   */
  readonly order: 'c' | 'fortran';
  /** `[samples, ...shape of one sample]`. */
  readonly shape: readonly number[];
  readonly source: ByteSource;
  readonly segments: readonly Segment[];
}

/** Bytes of one element as data files store it. */
export function elementBytes(type: ElementType): number {
  switch (type) {
    case ElementType.UINT8:
    case ElementType.INT8:
    case ElementType.BOOL:
      return 1;
    case ElementType.FLOAT16:
    case ElementType.INT16:
    case ElementType.UINT16:
      return 2;
    case ElementType.FLOAT32:
    case ElementType.INT32:
    case ElementType.UINT32:
      return 4;
    case ElementType.FLOAT64:
    case ElementType.INT64:
    case ElementType.UINT64:
      return 8;
    case ElementType.ELEMENT_TYPE_UNSPECIFIED:
      throw new RangeError('an element type is needed');
  }
}

/** Values in one sample: the product of all dimensions but the first. */
export function rowLength(shape: readonly number[]): number {
  return shape.slice(1).reduce((product, size) => product * size, 1);
}

/** More dimensions than any model's input has; files that claim more are damaged or hostile. */
const MOST_DIMENSIONS = 32;

/**
 * Checks a shape read from a file and returns the bytes that it needs.
 * @throws DataError when a dimension is negative, not an integer, there are too many, there is no
 *   sample axis, or the array is larger than any file
 */
export function checkedByteLength(
  path: string,
  what: string,
  shape: readonly number[],
  type: ElementType,
): number {
  if (shape.length === 0) {
    throw new DataError(path, `${what} is a single number, with no axis of samples`);
  }
  if (shape.length > MOST_DIMENSIONS) {
    throw new DataError(path, `${what} claims ${shape.length} dimensions, which cannot be right`);
  }
  let product = elementBytes(type);
  for (const size of shape) {
    if (!Number.isSafeInteger(size) || size < 0) {
      throw new DataError(path, `${what} claims a dimension of ${size}, which cannot be right`);
    }
    // Zero-sized dimensions must not hide the size of the others.
    product *= Math.max(size, 1);
    if (product > Number.MAX_SAFE_INTEGER) {
      throw new DataError(
        path,
        `${what} claims the shape [${shape.join(', ')}], more than any file can hold`,
      );
    }
  }
  if (shape.includes(0)) {
    throw new DataError(path, `${what} has shape [${shape.join(', ')}]: it holds no values`);
  }
  return product;
}
