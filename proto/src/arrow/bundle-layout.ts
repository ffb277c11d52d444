// Lays tensor bundles out before their values are known, so that sums are formed where they are stored.
import {
  Bool,
  type Data,
  Float64,
  Int32,
  type List,
  makeData,
  RecordBatch,
  Struct,
  Table,
  Utf8,
  vectorFromArray,
} from 'apache-arrow';
import { arrowFileChunks } from './encode-file.js';
import {
  BUNDLE_SCHEMA,
  type BundleTensor,
  storedLength,
  type TensorLayout,
} from './tensor-bundle.js';

/** apache-arrow counts the bytes of a record batch's buffers in 32 bits: 1 GiB is safe. */
const MOST_VALUES = 2 ** 27;

/** A tensor, or a piece of one that is too long for one record batch. */
interface Piece {
  readonly tensor: TensorLayout;
  /** Values of the tensor that come before, and in the piece. */
  readonly from: number;
  readonly length: number;
}

/** Memory for a bundle's values; what is not written stays zero. */
export interface BundleFrame {
  /** By name, as `BundleTensor.values`. */
  readonly values: ReadonlyMap<string, Float64Array>;
  /** The bytes of the bundle, in memory of their own. The frame is used up. */
  finish(): Uint8Array<ArrayBuffer>;
}

/** Stands for values while a bundle is laid out: never read or written, so that it takes no memory. */
let kept = new Float64Array(0);
/** V8 counts it all the same, and collects the heap the sooner the more of it is new. */
const MOST_KEPT = 2 ** 22;

function placeholder(length: number): Float64Array {
  if (length > MOST_KEPT) return new Float64Array(length);
  if (length > kept.length) kept = new Float64Array(length);
  return kept;
}

/** The form of bundles with the same tensors; the values alone make the difference. */
export class BundleLayout {
  readonly #tensors: readonly TensorLayout[];
  readonly #batches: readonly (readonly Piece[])[];
  /** What stands between values, and where it begins in the file. */
  readonly #fixed: readonly { readonly at: number; readonly bytes: Uint8Array }[];
  /** Where the values of each record batch begin in the file. */
  readonly #valuesAt: readonly number[];
  readonly #byteLength: number;

  /**
   * @param mostValues of one record batch; tensors of more are several rows of one name
   * @throws Error when a symmetric tensor is not square, or two tensors have the same name
   */
  constructor(tensors: readonly TensorLayout[], mostValues = MOST_VALUES) {
    checkTensors(tensors);
    this.#tensors = tensors.map(({ name, shape, symmetric }) => ({ name, shape, symmetric }));
    this.#batches = batchesOf(this.#tensors, mostValues);
    const place = placeholder(Math.max(...this.#batches.map(valuesIn)));
    const table = new Table(
      BUNDLE_SCHEMA,
      this.#batches.map((pieces) => recordBatch(pieces, place.subarray(0, valuesIn(pieces)))),
    );
    const fixed: { at: number; bytes: Uint8Array }[] = [];
    const valuesAt: number[] = [];
    let at = 0;
    for (const chunk of arrowFileChunks(table)) {
      if (chunk.buffer === place.buffer) valuesAt.push(at);
      else fixed.push({ at, bytes: chunk.slice() });
      at += chunk.byteLength;
    }
    this.#fixed = fixed;
    this.#valuesAt = valuesAt;
    this.#byteLength = at;
  }

  /** Memory for a bundle; it is allocated as a whole, and nothing in it is copied later. */
  frame(): BundleFrame {
    const file = new Uint8Array(this.#byteLength);
    for (const { at, bytes } of this.#fixed) file.set(bytes, at);
    const values = new Map<string, Float64Array>();
    const cut: (() => void)[] = [];
    this.#batches.forEach((pieces, batch) => {
      let at = this.#valuesAt[batch] as number;
      for (const { tensor, from, length } of pieces) {
        const here = new Float64Array(file.buffer, at, length);
        const all = storedLength(tensor.shape, tensor.symmetric);
        if (length === all) {
          values.set(tensor.name, here);
        } else {
          const whole = values.get(tensor.name) ?? new Float64Array(all);
          values.set(tensor.name, whole);
          cut.push(() => here.set(whole.subarray(from, from + length)));
        }
        at += here.byteLength;
      }
    });
    return {
      values,
      finish: () => {
        for (const copy of cut) copy();
        return file;
      },
    };
  }
}

/**
 * The bytes of a bundle; the same tensors give the same bytes.
 * @param mostValues of one record batch; tensors of more are several rows of one name
 * @throws Error when a tensor's values do not fit its shape, or two have the same name
 */
export function encodeBundle(
  tensors: readonly BundleTensor[],
  mostValues = MOST_VALUES,
): Uint8Array<ArrayBuffer> {
  const frame = new BundleLayout(tensors, mostValues).frame();
  for (const { name, shape, values } of tensors) {
    const place = frame.values.get(name);
    if (place?.length !== values.length)
      throw new Error(`tensor '${name}' [${shape}] has ${values.length} values`);
    place.set(values);
  }
  return frame.finish();
}

function checkTensors(tensors: readonly TensorLayout[]): void {
  const names = new Set<string>();
  for (const { name, shape, symmetric } of tensors) {
    if (names.has(name)) throw new Error(`two tensors of the bundle are named '${name}'`);
    names.add(name);
    if (symmetric && (shape.length !== 2 || shape[0] !== shape[1]))
      throw new Error(`symmetric tensor '${name}' has shape [${shape}], which is not square`);
  }
}

/** Pieces for record batches of at most `mostValues` values. */
function batchesOf(
  tensors: readonly TensorLayout[],
  mostValues: number,
): readonly (readonly Piece[])[] {
  const batches: Piece[][] = [[]];
  let room = mostValues;
  for (const tensor of tensors) {
    const all = storedLength(tensor.shape, tensor.symmetric);
    let from = 0;
    do {
      if (room === 0 || (from === 0 && all > room && room < mostValues)) {
        batches.push([]);
        room = mostValues;
      }
      const length = Math.min(all - from, room);
      batches.at(-1)?.push({ tensor, from, length });
      from += length;
      room -= length;
    } while (from < all);
  }
  return batches;
}

function valuesIn(pieces: readonly Piece[]): number {
  return pieces.reduce((total, { length }) => total + length, 0);
}

function recordBatch(pieces: readonly Piece[], values: Float64Array): RecordBatch {
  const shapes = pieces.map(({ tensor }) => tensor.shape);
  const columns: Data[] = [
    vectorFromArray(
      pieces.map(({ tensor }) => tensor.name),
      new Utf8(),
    ).data[0] ?? makeData({ type: new Utf8() }),
    makeData({
      type: BUNDLE_SCHEMA.fields[1]?.type as List,
      length: pieces.length,
      valueOffsets: offsets(shapes.map(({ length }) => length)),
      child: makeData({ type: new Int32(), data: Int32Array.from(shapes.flat()) }),
    }),
    vectorFromArray(
      pieces.map(({ tensor }) => tensor.symmetric),
      new Bool(),
    ).data[0] ?? makeData({ type: new Bool() }),
    makeData({
      type: BUNDLE_SCHEMA.fields[3]?.type as List,
      length: pieces.length,
      valueOffsets: offsets(pieces.map(({ length }) => length)),
      child: makeData({ type: new Float64(), data: values }),
    }),
  ];
  const data = makeData({
    type: new Struct(BUNDLE_SCHEMA.fields),
    length: pieces.length,
    nullCount: 0,
    children: columns,
  });
  return new RecordBatch(BUNDLE_SCHEMA, data);
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
