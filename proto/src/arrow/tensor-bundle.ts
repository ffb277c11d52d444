// Tensor bundles: named float64 tensors in one Arrow IPC file; how sums and eigenpairs travel.
import {
  Bool,
  type Data,
  Field,
  Float64,
  Int32,
  List,
  makeData,
  RecordBatch,
  Schema,
  Struct,
  Table,
  Utf8,
  vectorFromArray,
} from 'apache-arrow';
import { KronlensError } from '../errors/kronlens-error.js';
import { openArrowFile } from './checked-file.js';
import { encodeArrowFile } from './encode-file.js';

/** One tensor, row-major. A symmetric one [n, n] holds its upper triangle row by row, n(n+1)/2 values. */
export interface BundleTensor {
  readonly name: string;
  readonly shape: readonly number[];
  readonly symmetric: boolean;
  readonly values: Float64Array;
}

export class MalformedBundleError extends KronlensError {
  constructor(reason: string, cause?: unknown) {
    super('malformed-bundle', `this is no tensor bundle: ${reason}`, { cause });
  }
}

const SCHEMA = new Schema([
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

/** apache-arrow counts the bytes of a record batch's buffers in 32 bits: 1 GiB is safe. */
const MOST_VALUES = 2 ** 27;

/**
 * The bytes of a bundle; the same tensors give the same bytes.
 * @param mostValues of one record batch; tensors of more are several rows of one name
 * @throws Error when a tensor's values do not fit its shape, or two have the same name
 */
export function encodeBundle(
  tensors: readonly BundleTensor[],
  mostValues = MOST_VALUES,
): Uint8Array {
  const names = new Set<string>();
  for (const tensor of tensors) {
    const { name, shape } = tensor;
    if (names.has(name)) throw new Error(`two tensors of the bundle are named '${name}'`);
    names.add(name);
    if (tensor.symmetric && (shape.length !== 2 || shape[0] !== shape[1]))
      throw new Error(`symmetric tensor '${name}' has shape [${shape}], which is not square`);
    if (tensor.values.length !== storedLength(tensor.shape, tensor.symmetric)) {
      throw new Error(
        `tensor '${tensor.name}' [${tensor.shape}] has ${tensor.values.length} values`,
      );
    }
  }
  const batches = batchesOf(tensors, mostValues).map(recordBatch);
  return encodeArrowFile(new Table(SCHEMA, batches));
}

/** Rows for record batches of at most `mostValues` values; longer tensors are cut into several rows. */
function batchesOf(
  tensors: readonly BundleTensor[],
  mostValues: number,
): readonly (readonly BundleTensor[])[] {
  const batches: BundleTensor[][] = [[]];
  let room = mostValues;
  for (const tensor of tensors) {
    let at = 0;
    do {
      if (room === 0 || (at === 0 && tensor.values.length > room && room < mostValues)) {
        batches.push([]);
        room = mostValues;
      }
      const values = tensor.values.subarray(at, at + room);
      batches.at(-1)?.push({ ...tensor, values });
      at += values.length;
      room -= values.length;
    } while (at < tensor.values.length);
  }
  return batches;
}

function recordBatch(rows: readonly BundleTensor[]): RecordBatch {
  const shapes = Int32Array.from(rows.flatMap(({ shape }) => [...shape]));
  const columns: Data[] = [
    vectorFromArray(
      rows.map(({ name }) => name),
      new Utf8(),
    ).data[0] ?? makeData({ type: new Utf8() }),
    makeData({
      type: SCHEMA.fields[1]?.type as List,
      length: rows.length,
      valueOffsets: offsets(rows.map(({ shape }) => shape.length)),
      child: makeData({ type: new Int32(), data: shapes }),
    }),
    vectorFromArray(
      rows.map(({ symmetric }) => symmetric),
      new Bool(),
    ).data[0] ?? makeData({ type: new Bool() }),
    makeData({
      type: SCHEMA.fields[3]?.type as List,
      length: rows.length,
      valueOffsets: offsets(rows.map(({ values }) => values.length)),
      child: makeData({
        type: new Float64(),
        data: concatenate(rows.map(({ values }) => values)),
      }),
    }),
  ];
  const data = makeData({
    type: new Struct(SCHEMA.fields),
    length: rows.length,
    nullCount: 0,
    children: columns,
  });
  return new RecordBatch(SCHEMA, data);
}

function offsets(lengths: readonly number[]): Int32Array {
  const out = new Int32Array(lengths.length + 1);
  let total = 0;
  lengths.forEach((length, index) => {
    total += length;
    out[index + 1] = total;
  });
  return out;
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
  const [names, shapes, symmetric, values] = SCHEMA.fields.map(({ name }) => table.getChild(name));
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
