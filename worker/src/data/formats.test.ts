// Every format that is read, as NumPy and pyarrow write it: what is found in it, and its rows.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type DataArray, DataFormat, ElementType } from '@kronlens/proto';
import { fixture } from '../testing/workbench.js';
import type { Values } from './convert.js';
import { DataFiles } from './data-files.js';

const SAMPLES = 11;
const { FLOAT32, FLOAT64, FLOAT16, INT8, INT64, UINT8, BOOL } = ElementType;

/** What scripts/make-data-fixtures.py puts at a place of the array, counted over all samples. */
const VALUES = {
  x: (place: number) => place / 8 - 4,
  y: (place: number) => (place * 7) % 3,
  image: (place: number) => place % 251,
  flag: (place: number) => ((place * 7) % 3 === 1 ? 1 : 0),
  flags: (place: number) => (place / 8 - 4 > 0 ? 1 : 0),
};

interface Expected {
  readonly member?: string;
  /** The name that it is described under. */
  readonly name: string;
  readonly type: ElementType;
  readonly row: readonly number[];
  readonly values: keyof typeof VALUES;
}

const X = { name: 'x', member: 'x', row: [2, 3], values: 'x' } as const;
const Y = { name: 'y', member: 'y', row: [], values: 'y' } as const;

const TABLE: readonly Expected[] = [
  { ...X, name: 'flat', member: 'flat', type: FLOAT32, row: [6] },
  { ...X, type: FLOAT16 },
  { ...X, name: 'tensor', member: 'tensor', type: FLOAT32 },
  { name: 'flag', member: 'flag', type: BOOL, row: [], values: 'flag' },
  { name: 'flags', member: 'flags', type: BOOL, row: [2, 3], values: 'flags' },
  { ...Y, type: INT8 },
];

function alone(name: string, type: ElementType, values: Expected['values'] = 'x'): Expected[] {
  return [{ name, type, row: values === 'x' || values === 'image' ? [2, 3] : [], values }];
}

const FILES: Readonly<Record<string, readonly [DataFormat, readonly Expected[]]>> = {
  'float32.npy': [DataFormat.NPY, alone('float32', FLOAT32)],
  'float64.npy': [DataFormat.NPY, alone('float64', FLOAT64)],
  'big-endian.npy': [DataFormat.NPY, alone('big-endian', FLOAT64)],
  'float16.npy': [DataFormat.NPY, alone('float16', FLOAT16)],
  'uint8.npy': [DataFormat.NPY, alone('uint8', UINT8, 'image')],
  'bool.npy': [DataFormat.NPY, alone('bool', BOOL, 'flag')],
  'version2.npy': [DataFormat.NPY, alone('version2', FLOAT32)],
  'fortran.npy': [DataFormat.NPY, alone('fortran', FLOAT32)],
  'fortran-big-endian.npy': [DataFormat.NPY, alone('fortran-big-endian', FLOAT64)],
  'float32.npy.gz': [DataFormat.NPY, alone('float32', FLOAT32)],
  'arrays.npz': [
    DataFormat.NPZ,
    [
      { ...X, type: FLOAT32 },
      { ...Y, type: INT64 },
    ],
  ],
  'compressed.npz': [
    DataFormat.NPZ,
    [
      { ...X, type: FLOAT16 },
      { ...Y, type: UINT8 },
      { name: 'image', member: 'image', type: UINT8, row: [2, 3], values: 'image' },
    ],
  ],
  'fortran.npz': [
    DataFormat.NPZ,
    [
      { ...X, type: FLOAT32 },
      { ...Y, type: INT64 },
    ],
  ],
  'zip64.npz': [
    DataFormat.NPZ,
    [
      { ...X, type: FLOAT32 },
      { ...Y, type: INT64 },
    ],
  ],
  'images-idx3-ubyte': [DataFormat.IDX, alone('images-idx3-ubyte', UINT8, 'image')],
  'images-idx3-ubyte.gz': [DataFormat.IDX, alone('images-idx3-ubyte', UINT8, 'image')],
  'labels-idx1-ubyte': [DataFormat.IDX, alone('labels-idx1-ubyte', UINT8, 'y')],
  'labels-idx1-ubyte.gz': [DataFormat.IDX, alone('labels-idx1-ubyte', UINT8, 'y')],
  'float.idx': [DataFormat.IDX, alone('float', FLOAT32)],
  'float.idx.gz': [DataFormat.IDX, alone('float', FLOAT32)],
  'table.arrow': [DataFormat.ARROW, TABLE],
  'batches.arrow': [DataFormat.ARROW, TABLE],
  'stream.arrow': [DataFormat.ARROW, TABLE],
  'views.arrow': [
    DataFormat.ARROW,
    [
      { ...X, type: FLOAT32 },
      { ...Y, type: INT64 },
    ],
  ],
};

function expectedRows(values: Expected['values'], first: number, count: number, length: number) {
  return Array.from({ length: count * length }, (_, i) => VALUES[values](first * length + i));
}

function numbersOf(values: Values): number[] {
  return Array.from(values as ArrayLike<number | bigint>, Number);
}

async function checkRows(files: DataFiles, array: DataArray, values: Expected['values']) {
  const length = array.shape.slice(1).reduce((product, size) => product * Number(size), 1);
  for (const [first, count] of [
    [0, SAMPLES],
    [0, 1],
    [3, 5],
    [4, 4],
    [10, 1],
  ] as const) {
    const rows = await files.readRows(array, first, count, FLOAT32);
    const what = `rows ${first} to ${first + count - 1} of '${array.name}'`;
    assert.deepEqual(numbersOf(rows), expectedRows(values, first, count, length), what);
  }
}

for (const [name, [format, expected]] of Object.entries(FILES)) {
  for (const memoryLimit of name.endsWith('z') ? [undefined, 0] : [undefined]) {
    const how = memoryLimit === undefined ? '' : ', inflated to a temporary file';
    test(`${name}${how}`, async () => {
      const path = fixture(`data/${name}`);
      const files = new DataFiles(memoryLimit);
      try {
        const arrays = await files.describe([path]);
        assert.deepEqual(
          arrays.map((array) => [array.name, array.member, array.type, array.shape, array.format]),
          expected.map(({ name: as, member, type, row }) => {
            const shape = [SAMPLES, ...row].map(BigInt);
            return [as, member ?? '', type, shape, format];
          }),
        );
        for (const [i, array] of arrays.entries()) {
          assert.equal(array.path, path);
          await checkRows(files, array, expected[i]?.values ?? 'x');
        }
      } finally {
        await files.close();
      }
    });
  }
}

test('rows are converted to what is wanted: int64 labels, float64, scaled bytes', async () => {
  const files = new DataFiles();
  try {
    const [x, y, image] = await files.describe([fixture('data/compressed.npz')]);
    assert.ok(x !== undefined && y !== undefined && image !== undefined);
    const labels = await files.readRows(y, 0, SAMPLES, INT64);
    assert.ok(labels instanceof BigInt64Array);
    assert.deepEqual(numbersOf(labels), expectedRows('y', 0, SAMPLES, 1));
    const doubles = await files.readRows(x, 2, 3, FLOAT64);
    assert.ok(doubles instanceof Float64Array);
    assert.deepEqual(numbersOf(doubles), expectedRows('x', 2, 3, 6));
    image.scale = 1 / 255;
    assert.deepEqual(
      numbersOf(await files.readRows(image, 5, 2, FLOAT32)),
      expectedRows('image', 5, 2, 6).map((value) => Math.fround(value / 255)),
    );
  } finally {
    await files.close();
  }
});
