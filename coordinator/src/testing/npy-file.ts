// Writes .npy files for tests.
import { writeFile } from 'node:fs/promises';

type Values = Float32Array | Float64Array | BigInt64Array | Uint8Array;

function descriptor(values: Values): string {
  if (values instanceof Float32Array) return '<f4';
  if (values instanceof Float64Array) return '<f8';
  return values instanceof Uint8Array ? '|u1' : '<i8';
}

/** The bytes of a version 1.0 .npy file. */
export function npyBytes(values: Values, shape: readonly number[]): Uint8Array {
  const dimensions = shape.length === 1 ? `${shape[0]},` : shape.join(', ');
  const header = `{'descr': '${descriptor(values)}', 'fortran_order': False, 'shape': (${dimensions}), }`;
  const padded = header.padEnd(Math.ceil((header.length + 11) / 64) * 64 - 11, ' ');
  const length = Buffer.alloc(2);
  length.writeUInt16LE(padded.length + 1);
  const body = Buffer.from(values.buffer, values.byteOffset, values.byteLength);
  return Buffer.concat([
    Buffer.from('\x93NUMPY\x01\x00', 'latin1'),
    length,
    Buffer.from(`${padded}\n`),
    body,
  ]);
}

export async function writeNpy(
  path: string,
  values: Values,
  shape: readonly number[],
): Promise<string> {
  await writeFile(path, npyBytes(values, shape));
  return path;
}
