// Tensor bundles: named float64 tensors in one Arrow IPC file; how sums and eigenpairs travel.
import { Bool, Field, Float64, Int32, List, Schema, Utf8 } from 'apache-arrow';
import { KronlensError } from '../errors/kronlens-error.js';
import { openArrowFile } from './checked-file.js';

/** What is known of a tensor before its values are. */
export interface TensorLayout {
  readonly name: string;
  readonly shape: readonly number[];
  readonly symmetric: boolean;
}

/** One tensor, row-major. A symmetric one [n, n] holds its upper triangle row by row, n(n+1)/2 values. */
export interface BundleTensor extends TensorLayout {
  readonly values: Float64Array;
}

export class MalformedBundleError extends KronlensError {
  constructor(reason: string, cause?: unknown) {
    super('malformed-bundle', `this is no tensor bundle: ${reason}`, { cause });
  }
}

export const BUNDLE_SCHEMA = new Schema([
  new Field('name', new Utf8(), false),
  new Field('shape', new List(new Field('item', new Int32(), false)), false),
  new Field('symmetric', new Bool(), false),
  new Field('values', new List(new Field('item', new Float64(), false)), false),
]);

/** The number of stored values of a tensor. */
export function storedLength(shape: readonly number[], symmetric: boolean): number {
  const [n = 0] = shape;
  return symmetric ? (n * (n + 1)) / 2 : shape.reduce((product, size) => product * size, 1);
}

function concatenate(parts: readonly Float64Array[]): Float64Array {
  const [only] = parts;
  if (parts.length === 1 && only !== undefined) return only;
  const out = new Float64Array(parts.reduce((total, part) => total + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

/** The tensors by name. @throws MalformedBundleError */
export function decodeBundle(bytes: Uint8Array): ReadonlyMap<string, BundleTensor> {
  const refusal = (reason: string, cause: unknown) => new MalformedBundleError(reason, cause);
  const table = openArrowFile(bytes, refusal);
  if (table.numRows > bytes.length) throw new MalformedBundleError('it has more rows than bytes');
  const [names, shapes, symmetric, values] = BUNDLE_SCHEMA.fields.map(({ name }) =>
    table.getChild(name),
  );
  if (names == null || shapes == null || symmetric == null || values == null) {
    throw new MalformedBundleError('a column is missing');
  }
  const pieces = new Map<string, BundleTensor[]>();
  for (let row = 0; row < table.numRows; row++) {
    const stored = values.get(row)?.toArray?.();
    const piece = {
      name: String(names.get(row)),
      shape: Array.from(shapes.get(row)?.toArray?.() ?? [], Number),
      symmetric: symmetric.get(row) === true,
      values: stored instanceof Float64Array ? stored : new Float64Array(0),
    };
    pieces.set(piece.name, [...(pieces.get(piece.name) ?? []), piece]);
  }
  return new Map([...pieces].map(([name, rows]) => [name, joined(name, rows)]));
}

/** A tensor out of its pieces. @throws MalformedBundleError when they are not all there */
function joined(name: string, pieces: readonly BundleTensor[]): BundleTensor {
  const [{ shape, symmetric } = { shape: [], symmetric: false }] = pieces;
  const length = pieces.reduce((total, { values }) => total + values.length, 0);
  if (length !== storedLength(shape, symmetric)) {
    throw new MalformedBundleError(
      `tensor '${name}' does not have the values of its shape [${shape}]`,
    );
  }
  return { name, shape, symmetric, values: concatenate(pieces.map(({ values }) => values)) };
}

/** The upper triangle of a full row-major n x n matrix, row by row. */
export function packSymmetric(full: ArrayLike<number>, n: number): Float64Array {
  const packed = new Float64Array((n * (n + 1)) / 2);
  let at = 0;
  for (let i = 0; i < n; i++) for (let j = i; j < n; j++) packed[at++] = full[i * n + j] as number;
  return packed;
}

/** The full row-major n x n matrix of a packed upper triangle. */
export function unpackSymmetric(packed: Float64Array, n: number): Float64Array {
  const full = new Float64Array(n * n);
  let at = 0;
  for (let i = 0; i < n; i++) {
    for (let j = i; j < n; j++) {
      const value = packed[at++] as number;
      full[i * n + j] = value;
      full[j * n + i] = value;
    }
  }
  return full;
}
