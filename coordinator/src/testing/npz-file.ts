// Reads small .npz files whole, for tests that feed programs without a worker.
import { readFileSync } from 'node:fs';
import { inflateRawSync } from 'node:zlib';
import type { DType, Tensor } from '../graph/graph.js';

const END_BYTES = 22;
const DTYPES: Readonly<Record<string, DType>> = {
  '<f4': 'float32',
  '<f8': 'float64',
  '<i8': 'int64',
  '|u1': 'uint8',
};

/** The arrays of a file as numpy's savez or savez_compressed writes it, by name. */
export function readNpz(path: string): ReadonlyMap<string, Tensor> {
  const file = readFileSync(path);
  const end = file.length - END_BYTES;
  const arrays = new Map<string, Tensor>();
  let at = file.readUInt32LE(end + 16);
  for (let left = file.readUInt16LE(end + 10); left > 0; left -= 1) {
    const [method, bytes] = [file.readUInt16LE(at + 10), file.readUInt32LE(at + 20)];
    const nameEnd = at + 46 + file.readUInt16LE(at + 28);
    const name = file.toString('utf8', at + 46, nameEnd);
    const local = file.readUInt32LE(at + 42);
    const from = local + 30 + file.readUInt16LE(local + 26) + file.readUInt16LE(local + 28);
    const content = file.subarray(from, from + bytes);
    arrays.set(
      name.replace(/\.npy$/, ''),
      parseNpy(method === 0 ? content : inflateRawSync(content)),
    );
    at = nameEnd + file.readUInt16LE(at + 30) + file.readUInt16LE(at + 32);
  }
  return arrays;
}

/** A version 1 .npy file. */
export function parseNpy(file: Buffer): Tensor {
  const start = 10 + file.readUInt16LE(8);
  const header = file.toString('latin1', 10, start);
  const dtype = DTYPES[/'descr': '([^']*)'/.exec(header)?.[1] ?? ''];
  const shape = /'shape': \(([^)]*)\)/.exec(header)?.[1];
  if (dtype === undefined || shape === undefined || !header.includes("'fortran_order': False"))
    throw new Error(`tests read no array with the header ${header}`);
  const sizes = shape.split(',').filter((size) => size.trim() !== '');
  return { dtype, shape: sizes.map(Number), bytes: Uint8Array.from(file.subarray(start)) };
}
