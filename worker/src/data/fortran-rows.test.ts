// Rows of arrays in Fortran order, across the blocks in which they are read.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ElementType } from '@kronlens/proto';
import type { ArrayLayout } from './array-layout.js';
import { FortranRows } from './fortran-rows.js';

const SHAPE = [7, 2, 3, 2];
const ROW = 12;

/** Value (i, j, k, l) of the array is its place in C order; in memory they lie in Fortran order. */
function layoutOf(
  type: ElementType,
  memory: (length: number) => { bytes: Uint8Array; set(at: number, value: number): void },
): ArrayLayout {
  const length = SHAPE.reduce((product, size) => product * size, 1);
  const { bytes, set } = memory(length);
  const [n = 0, a = 0, b = 0, c = 0] = SHAPE;
  for (let place = 0; place < length; place++) {
    const l = place % c;
    const k = Math.floor(place / c) % b;
    const j = Math.floor(place / (c * b)) % a;
    const i = Math.floor(place / (c * b * a));
    set(i + n * (j + a * (k + b * l)), place);
  }
  // Some bytes before the values, as a header would be.
  const shared = new SharedArrayBuffer(bytes.byteLength + 16);
  new Uint8Array(shared).set(bytes, 16);
  return {
    member: '',
    type,
    byteOrder: 'little',
    packing: 'bytes',
    order: 'fortran',
    shape: SHAPE,
    source: {
      path: 'x.npy',
      byteLength: shared.byteLength,
      from: { kind: 'memory', bytes: shared },
    },
    segments: [{ firstRow: 0, rows: 7, position: 16 }],
  };
}

/** -1 - value, whose bits as float64 would be NaN. */
const BIG = {
  type: ElementType.INT64,
  memory: (length: number) => {
    const values = new BigInt64Array(length);
    const set = (at: number, value: number) => {
      values[at] = -1n - BigInt(value);
    };
    return { bytes: new Uint8Array(values.buffer), set };
  },
  read: (bytes: Uint8Array) =>
    Array.from(new BigInt64Array(bytes.buffer), (value) => Number(-1n - value)),
};

function plain(
  type: ElementType,
  View: Uint8ArrayConstructor | Uint16ArrayConstructor | Float32ArrayConstructor,
) {
  return {
    type,
    memory: (length: number) => {
      const values = new View(length);
      const set = (at: number, value: number) => {
        values[at] = value;
      };
      return { bytes: new Uint8Array(values.buffer), set };
    },
    read: (bytes: Uint8Array) => Array.from(new View(bytes.buffer as ArrayBuffer)),
  };
}

for (const { type, memory, read } of [
  plain(ElementType.UINT8, Uint8Array),
  plain(ElementType.UINT16, Uint16Array),
  plain(ElementType.FLOAT32, Float32Array),
  BIG,
]) {
  test(`rows of ${ElementType[type]}, whatever the block`, async () => {
    const layout = layoutOf(type, memory);
    const rowBytes = (layout.source.byteLength - 16) / 7;
    for (const blockRows of [0, 1, 3, 100]) {
      const rows = new FortranRows(layout, blockRows * rowBytes);
      for (const [first, count] of [
        [0, 2],
        [2, 4],
        [6, 1],
        [0, 7],
        [5, 1],
      ] as const) {
        const bytes = new Uint8Array(count * rowBytes);
        await rows.read(first, count, bytes);
        const expected = Array.from({ length: count * ROW }, (_, i) => first * ROW + i);
        assert.deepEqual(read(bytes), expected, `rows ${first} and on, blocks of ${blockRows}`);
      }
    }
  });
}
