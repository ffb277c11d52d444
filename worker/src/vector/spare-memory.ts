// Keeps large arrays that are no longer needed for the next that asks for the same length.

/**
 * Bytes that are kept at most. Below, fresh memory costs more than what is computed in it: every page
 * is a fault, and V8 collects the whole heap for every few dozen megabytes of array buffers.
 */
const MOST_BYTES = 2 ** 26;

const spare: Float64Array[] = [];
let bytes = 0;

/** An array whose entries may be anything. Give it back when nothing uses it any more. */
export function takeFloats(length: number, shared = false): Float64Array {
  const at = spare.findLastIndex(
    (each) => each.length === length && each.buffer instanceof SharedArrayBuffer === shared,
  );
  const [kept] = at === -1 ? [] : spare.splice(at, 1);
  if (kept !== undefined) {
    bytes -= kept.byteLength;
    return kept;
  }
  return shared ? new Float64Array(new SharedArrayBuffer(8 * length)) : new Float64Array(length);
}

/** Hands over an array that came from `takeFloats`; the oldest are forgotten where there are too many. */
export function giveFloats(array: Float64Array): void {
  spare.push(array);
  bytes += array.byteLength;
  while (bytes > MOST_BYTES) bytes -= spare.shift()?.byteLength ?? 0;
}
