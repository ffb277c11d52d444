// Arguments and calls of Fortran routines: everything by reference, integers of either width.
import type { KoffiFunction } from './library.js';

/** What a Fortran routine takes by reference. */
export type Argument = Float64Array | BigInt64Array | Uint8Array;

/**
 * A cell for each of the values that were asked for: most calls ask for the same few, and memory of its
 * own for every one of a dozen arguments keeps the garbage collector busy.
 */
function cells<Value, Cell>(make: (value: Value) => Cell): (value: Value) => Cell {
  const made = new Map<Value, Cell>();
  return (value) => {
    const known = made.get(value);
    if (known !== undefined) return known;
    if (made.size === MOST_CELLS) made.clear();
    const cell = make(value);
    made.set(value, cell);
    return cell;
  };
}

const MOST_CELLS = 1024;

/**
 * An INTEGER that is only read. Routines read 4 or 8 bytes as their library was built; the low half of
 * a small little-endian 8-byte number is the same number, so one cell serves both.
 */
export const integer = cells((value: number): BigInt64Array => {
  const cell = integers(1);
  cell[0] = BigInt(value);
  return cell;
});

/** A zeroed array of INTEGERs, 8 bytes each whatever their width. */
export function integers(length: number): BigInt64Array {
  return new BigInt64Array(new ArrayBuffer(length * 8));
}

/** The value of an INTEGER that a routine wrote; its upper half counts for 8-byte ones only. */
export function integerValue(cell: BigInt64Array): number {
  return new Int32Array(cell.buffer, cell.byteOffset, 1)[0] ?? 0;
}

/** A DOUBLE PRECISION number that is only read. */
export const double = cells((value: number): Float64Array => {
  const cell = new Float64Array(new ArrayBuffer(8));
  cell[0] = value;
  return cell;
});

/** A CHARACTER, as options are. */
export const character = cells((value: string): Uint8Array => {
  const cell = new Uint8Array(new ArrayBuffer(8));
  cell[0] = value.charCodeAt(0);
  return cell;
});

/**
 * Arguments of calls under way. The foreign function interface keeps no hold of them, and what the
 * garbage collector frees under a running routine crashes the process.
 */
const underWay = new Set<readonly Argument[]>();

/** Calls a routine on a thread of libuv's pool. */
export function call(routine: KoffiFunction, args: readonly Argument[]): Promise<void> {
  underWay.add(args);
  const done = new Promise<void>((resolve, reject) => {
    routine.async(...withLengths(args), (error: unknown) => {
      if (error == null) resolve();
      else reject(error);
    });
  });
  return done.finally(() => underWay.delete(args));
}

/**
 * Multiplications that take less time than the way to a thread and back, about 0.1 ms. A small share of
 * what an iteration computes, but a third of its calls.
 */
const AT_ONCE = 2 ** 18;

/** Calls a routine at once where it is that short, else on a thread. */
export async function callShort(
  routine: KoffiFunction,
  args: readonly Argument[],
  multiplications: number,
): Promise<void> {
  if (multiplications <= AT_ONCE) callNow(routine, args);
  else await call(routine, args);
}

/** Calls a routine at once: for questions that take no time, such as the size of a workspace. */
export function callNow(routine: KoffiFunction, args: readonly Argument[]): void {
  underWay.add(args);
  try {
    routine(...withLengths(args));
  } finally {
    underWay.delete(args);
  }
}

/** Fortran compilers pass the lengths of CHARACTER arguments as integers after all others. */
function withLengths(args: readonly Argument[]): readonly (Argument | number)[] {
  return [...args, ...args.filter((arg) => arg instanceof Uint8Array).map(() => 1)];
}
