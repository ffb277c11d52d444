// Converts stored numbers to what a program's input takes, refusing what it cannot represent.
import { ElementType } from '@kronlens/proto';
import { halfTable } from './half-float.js';

/** The typed arrays that hold a program's inputs; booleans are bytes of 0 and 1. */
export type Values =
  | Float32Array
  | Float64Array
  | BigInt64Array
  | BigUint64Array
  | Int32Array
  | Uint32Array
  | Int16Array
  | Uint16Array
  | Int8Array
  | Uint8Array;

/** A typed array for so many values of a type. float16 is held as its bits. */
export function allocate(type: ElementType, length: number): Values {
  return view(type, new ArrayBuffer(length * sizeOf(type)), 0, length);
}

function sizeOf(type: ElementType): number {
  switch (type) {
    case ElementType.FLOAT64:
    case ElementType.INT64:
    case ElementType.UINT64:
      return 8;
    case ElementType.FLOAT32:
    case ElementType.INT32:
    case ElementType.UINT32:
      return 4;
    case ElementType.FLOAT16:
    case ElementType.INT16:
    case ElementType.UINT16:
      return 2;
    default:
      return 1;
  }
}

/** A typed view of memory that holds values of a type. float16 is seen as its bits. */
export function view(
  type: ElementType,
  buffer: ArrayBuffer,
  byteOffset: number,
  length: number,
): Values {
  switch (type) {
    case ElementType.FLOAT32:
      return new Float32Array(buffer, byteOffset, length);
    case ElementType.FLOAT64:
      return new Float64Array(buffer, byteOffset, length);
    case ElementType.FLOAT16:
    case ElementType.UINT16:
      return new Uint16Array(buffer, byteOffset, length);
    case ElementType.INT8:
      return new Int8Array(buffer, byteOffset, length);
    case ElementType.INT16:
      return new Int16Array(buffer, byteOffset, length);
    case ElementType.INT32:
      return new Int32Array(buffer, byteOffset, length);
    case ElementType.UINT32:
      return new Uint32Array(buffer, byteOffset, length);
    case ElementType.INT64:
      return new BigInt64Array(buffer, byteOffset, length);
    case ElementType.UINT64:
      return new BigUint64Array(buffer, byteOffset, length);
    case ElementType.UINT8:
    case ElementType.BOOL:
    case ElementType.ELEMENT_TYPE_UNSPECIFIED:
      return new Uint8Array(buffer, byteOffset, length);
  }
}

/** Turns big-endian values into the machine's order, in place. */
export function swapBytes(bytes: Uint8Array, elementBytes: number): void {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (elementBytes === 2) buffer.swap16();
  else if (elementBytes === 4) buffer.swap32();
  else if (elementBytes === 8) buffer.swap64();
}

// One loop for each pair of types that matters: a loop that meets many typed-array classes is ten
// times slower. Each adds 0 * value, which is NaN as soon as one value is not finite.

function scaleFloat32(from: Float32Array, into: Float32Array, scale: number): number {
  let check = 0;
  if (scale === 1) {
    into.set(from);
    for (let i = 0; i < from.length; i++) check += 0 * (from[i] ?? 0);
    return check;
  }
  for (let i = 0; i < from.length; i++) {
    const value = Math.fround((from[i] ?? 0) * scale);
    into[i] = value;
    check += 0 * value;
  }
  return check;
}

function scaleFloat64(from: Float64Array, into: Float32Array, scale: number): number {
  let check = 0;
  for (let i = 0; i < from.length; i++) {
    const value = Math.fround((from[i] ?? 0) * scale);
    into[i] = value;
    check += 0 * value;
  }
  return check;
}

function lookUp8(from: Uint8Array, into: Float32Array, table: Float32Array): void {
  for (let i = 0; i < from.length; i++) into[i] = table[from[i] ?? 0] ?? 0;
}

function lookUp16(from: Uint16Array, into: Float32Array, table: Float32Array): number {
  let check = 0;
  for (let i = 0; i < from.length; i++) {
    const value = table[from[i] ?? 0] ?? 0;
    into[i] = value;
    check += 0 * value;
  }
  return check;
}

function toBigInts(from: ArrayLike<number>, into: BigInt64Array): void {
  for (let i = 0; i < into.length; i++) into[i] = BigInt(from[i] ?? 0);
}

/** Largest and smallest integers that the integer types hold. */
const RANGES: Partial<Record<ElementType, readonly [number, number]>> = {
  [ElementType.INT8]: [-(2 ** 7), 2 ** 7 - 1],
  [ElementType.INT16]: [-(2 ** 15), 2 ** 15 - 1],
  [ElementType.INT32]: [-(2 ** 31), 2 ** 31 - 1],
  [ElementType.INT64]: [Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER],
  [ElementType.UINT8]: [0, 2 ** 8 - 1],
  [ElementType.UINT16]: [0, 2 ** 16 - 1],
  [ElementType.UINT32]: [0, 2 ** 32 - 1],
  [ElementType.UINT64]: [0, Number.MAX_SAFE_INTEGER],
  [ElementType.BOOL]: [0, 1],
};

/** What makes a value unfit, and where it is. */
export interface UnfitValue {
  readonly index: number;
  readonly value: number;
  readonly why: 'nan' | 'infinite' | 'overflow' | 'fraction' | 'range';
}

function unfit(index: number, value: number, why: UnfitValue['why']): UnfitValue {
  return {
    index,
    value,
    why: Number.isNaN(value) ? 'nan' : Number.isFinite(value) ? why : 'infinite',
  };
}

/** The values of all bytes; none when some come out as infinite, so that looking up needs no check. */
function finiteTable(value: (byte: number) => number): Float32Array | undefined {
  const table = Float32Array.from({ length: 256 }, (_, byte) => value(byte));
  return table.every(Number.isFinite) ? table : undefined;
}

/** Converts the values from stored to wanted type. */
export class Converter {
  readonly #from: ElementType;
  readonly #into: ElementType;
  readonly #scale: number;
  readonly #table: Float32Array | undefined;

  /**
   * @param from the stored type
   * @param into the wanted type
   * @param scale values are multiplied by it in float64 and then rounded
   * @throws RangeError when float16 is wanted
   */
  constructor(from: ElementType, into: ElementType, scale: number) {
    if (into === ElementType.FLOAT16) throw new RangeError('float16 inputs are not supported');
    this.#from = from;
    this.#into = into;
    this.#scale = scale;
    if (into === ElementType.FLOAT32) {
      if (from === ElementType.FLOAT16) {
        this.#table = Float32Array.from(halfTable(), (value) => value * scale);
      } else if (from === ElementType.UINT8 || from === ElementType.BOOL) {
        this.#table = finiteTable((byte) => byte * scale);
      } else if (from === ElementType.INT8) {
        this.#table = finiteTable((byte) => ((byte << 24) >> 24) * scale);
      }
    }
  }

  /** True when stored bytes can be used as they are (values still have to be checked). */
  get isCopy(): boolean {
    return this.#from === this.#into && this.#scale === 1;
  }

  /**
   * Converts `stored` into `wanted`, of the same length (they may be the same array when `isCopy`).
   * @returns the first value that the wanted type cannot hold, or that is not finite
   */
  convert(stored: Values, wanted: Values): UnfitValue | undefined {
    if (wanted instanceof Float32Array) {
      if (stored instanceof Float32Array) {
        if (Number.isNaN(scaleFloat32(stored, wanted, this.#scale))) return this.#find(stored);
        return undefined;
      }
      if (stored instanceof Float64Array) {
        if (Number.isNaN(scaleFloat64(stored, wanted, this.#scale))) return this.#find(stored);
        return undefined;
      }
      if (this.#table !== undefined && stored instanceof Uint8Array) {
        lookUp8(stored, wanted, this.#table);
        return undefined;
      }
      if (this.#table !== undefined && stored instanceof Int8Array) {
        const bytes = new Uint8Array(stored.buffer, stored.byteOffset, stored.length);
        lookUp8(bytes, wanted, this.#table);
        return undefined;
      }
      if (this.#table !== undefined && stored instanceof Uint16Array) {
        if (Number.isNaN(lookUp16(stored, wanted, this.#table))) return this.#find(stored);
        return undefined;
      }
    }
    if (stored instanceof BigInt64Array && wanted instanceof BigInt64Array && this.#scale === 1) {
      wanted.set(stored);
      return undefined;
    }
    if (wanted instanceof BigInt64Array && stored instanceof Uint8Array && this.#scale === 1) {
      toBigInts(stored, wanted);
      return undefined;
    }
    return this.#convertAny(stored, wanted);
  }

  #number(stored: Values, i: number): number {
    const raw = stored[i] ?? 0;
    if (typeof raw === 'bigint') return Number(raw) * this.#scale;
    const value = this.#from === ElementType.FLOAT16 ? (halfTable()[raw] ?? 0) : raw;
    return value * this.#scale;
  }

  #convertAny(stored: Values, wanted: Values): UnfitValue | undefined {
    const range = RANGES[this.#into];
    for (let i = 0; i < wanted.length; i++) {
      const value = this.#number(stored, i);
      if (range === undefined) {
        wanted[i] = value;
        if (!Number.isFinite(wanted[i])) return unfit(i, value, 'overflow');
        continue;
      }
      if (!Number.isInteger(value)) return unfit(i, value, 'fraction');
      if (value < range[0] || value > range[1]) return unfit(i, value, 'range');
      if (wanted instanceof BigInt64Array || wanted instanceof BigUint64Array) {
        wanted[i] = BigInt(value);
      } else {
        wanted[i] = value;
      }
    }
    return undefined;
  }

  /** The first value that comes out as NaN or infinity in float32. */
  #find(stored: Values): UnfitValue {
    for (let i = 0; i < stored.length; i++) {
      const value = this.#number(stored, i);
      if (!Number.isFinite(Math.fround(value))) return unfit(i, value, 'overflow');
    }
    throw new Error('a value that is not finite was counted but not found');
  }
}
