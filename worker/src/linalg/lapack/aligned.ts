// Arrays for native routines, at addresses that cannot change how a routine rounds.
import koffi from 'koffi';

/** The widest vectors and the cache lines of today's processors. */
const ALIGNMENT = 64;

/**
 * A zeroed array that starts at a multiple of 64 bytes: vectorised kernels may treat the entries
 * before the first aligned one apart, and then round differently from call to call.
 */
export function alignedFloat64(length: number): Float64Array {
  const buffer = new ArrayBuffer(length * 8 + ALIGNMENT);
  const past = Number(koffi.address(buffer) % BigInt(ALIGNMENT));
  return new Float64Array(buffer, past === 0 ? 0 : ALIGNMENT - past, length);
}
