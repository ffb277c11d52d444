// Reads the header of NumPy's .npy format, versions 1 to 3.
import { ElementType } from '@kronlens/proto';
import { checkedByteLength } from './array-layout.js';
import { DataError, UnreadableArray } from './data-error.js';

/** `\x93NUMPY`, the first bytes of the format. */
export const NPY_MAGIC = Uint8Array.of(0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59);

/** Enough bytes from the start to hold any header that is accepted here. */
export const NPY_PREFIX_BYTES = 12 + 65536;

export interface NpyHeader {
  readonly type: ElementType;
  readonly byteOrder: 'little' | 'big';
  /** Fortran order: the first index changes fastest. */
  readonly order: 'c' | 'fortran';
  readonly shape: readonly number[];
  /** Where the values begin. */
  readonly position: number;
  /** Bytes of all values. */
  readonly byteLength: number;
}

const TYPES: Readonly<Record<string, ElementType>> = {
  b1: ElementType.BOOL,
  u1: ElementType.UINT8,
  i1: ElementType.INT8,
  u2: ElementType.UINT16,
  i2: ElementType.INT16,
  u4: ElementType.UINT32,
  i4: ElementType.INT32,
  u8: ElementType.UINT64,
  i8: ElementType.INT64,
  f2: ElementType.FLOAT16,
  f4: ElementType.FLOAT32,
  f8: ElementType.FLOAT64,
};

/** True when the bytes begin like an .npy file. */
export function isNpy(prefix: Uint8Array): boolean {
  return NPY_MAGIC.every((byte, i) => prefix[i] === byte);
}

/**
 * Parses the header in the first bytes of an .npy file.
 * @param path the file, for messages
 * @param what the array, for messages: "the array" or "member 'x'"
 * @param prefix the first bytes, at least NPY_PREFIX_BYTES or all there are
 * @throws UnreadableArray for Python objects, text, records and single numbers; DataError for
 *   headers that are damaged
 */
export function parseNpyHeader(path: string, what: string, prefix: Uint8Array): NpyHeader {
  if (!isNpy(prefix)) throw new DataError(path, `${what} is not in NumPy's .npy format`);
  const view = new DataView(prefix.buffer, prefix.byteOffset, prefix.byteLength);
  if (prefix.byteLength < 12) throw new DataError(path, `${what} is truncated within its header`);
  const major = view.getUint8(6);
  if (major < 1 || major > 3) {
    throw new DataError(path, `${what} has .npy version ${major}; versions 1 to 3 can be read`);
  }
  const start = major === 1 ? 10 : 12;
  const length = major === 1 ? view.getUint16(8, true) : view.getUint32(8, true);
  if (start + length > prefix.byteLength) {
    throw new DataError(
      path,
      length > NPY_PREFIX_BYTES
        ? `${what} claims a header of ${length} bytes, which cannot be right`
        : `${what} is truncated within its header`,
    );
  }
  const text = new TextDecoder('latin1').decode(prefix.subarray(start, start + length));

  const descr = /'descr'\s*:\s*(?:'([^']*)'|(\[))/.exec(text);
  const order = /'fortran_order'\s*:\s*(True|False)/.exec(text);
  const dimensions = /'shape'\s*:\s*\(([^()]*)\)/.exec(text);
  if (descr === null || order === null || dimensions === null) {
    throw new DataError(path, `${what} has a damaged .npy header`);
  }
  const shape = (dimensions[1] ?? '')
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '')
    // Python 2 wrote long integers as 3L.
    .map((part) => (/^-?\d+L?$/.test(part) ? Number(part.replace('L', '')) : Number.NaN));
  const code = descr[1];
  if (code === undefined) {
    throw new UnreadableArray(path, `${what} is an array of records; save its fields one by one`);
  }
  const type = TYPES[code.replace(/^[<>=|]/, '')];
  if (type === undefined) {
    throw new UnreadableArray(
      path,
      /^[<>=|]?O/.test(code)
        ? `${what} holds pickled Python objects, which are never loaded; save it as numbers of one type`
        : `${what} has NumPy type '${code}'; convert it to float32, float64, float16, an integer or bool`,
    );
  }
  if (shape.length === 0) {
    throw new UnreadableArray(path, `${what} is a single number, with no axis of samples`);
  }
  const byteLength = checkedByteLength(path, what, shape, type);
  return {
    type,
    byteOrder: code.startsWith('>') ? 'big' : 'little',
    order: order[1] === 'True' && shape.length > 1 ? 'fortran' : 'c',
    shape,
    position: start + length,
    byteLength,
  };
}
