// Writes .npy files for tests.
import { writeFile } from 'node:fs/promises';

const CODES = new Map<unknown, string>([
  [Float32Array, '<f4'],
  [Float64Array, '<f8'],
  [BigInt64Array, '<i8'],
  [Uint8Array, '|u1'],
]);

/** Writes an array in NumPy's format, version 1. */
export async function writeNpy(
  path: string,
  values: Float32Array | Float64Array | BigInt64Array | Uint8Array,
  shape: readonly number[],
): Promise<void> {
  const descr = CODES.get(values.constructor);
  const text = `{'descr': '${descr}', 'fortran_order': False, 'shape': (${shape.join(', ')},), }`;
  const header = text.padEnd(117, ' ').concat('\n');
  const prefix = Uint8Array.of(0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, 1, 0, header.length, 0);
  const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  await writeFile(path, Buffer.concat([prefix, Buffer.from(header, 'latin1'), bytes]));
}
