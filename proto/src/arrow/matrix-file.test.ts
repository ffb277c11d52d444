// Matrix files: shape, metadata, bytes, and what is refused.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FixedSizeList, tableFromArrays, tableFromIPC, tableToIPC } from 'apache-arrow';
import fc from 'fast-check';
import { contentId } from '../store/artifact-store.js';
import {
  decodeMatrixFile,
  encodeMatrixFile,
  MalformedMatrixFileError,
  type MatrixFile,
} from './matrix-file.js';

fc.configureGlobal({ seed: 20 });

const MATRIX: MatrixFile = {
  layer: 'features.0/"é"',
  what: 'input autocorrelation E[x x^T]',
  normalisation: 'sum over positions, mean over samples',
  rows: 2,
  columns: 3,
  values: Float64Array.from([1, 2, 3, 4, 5, 6.5]),
  metadata: { samples: '1024', group: '0' },
};

test('any matrix comes back bit for bit', () => {
  const sizes = fc.tuple(fc.integer({ min: 0, max: 9 }), fc.integer({ min: 1, max: 9 }));
  const matrix = sizes.chain(([rows, columns]) =>
    fc
      .float64Array({ minLength: rows * columns, maxLength: rows * columns })
      .map((values) => ({ ...MATRIX, rows, columns, values })),
  );
  fc.assert(
    fc.property(matrix, (sent) => {
      assert.deepEqual(decodeMatrixFile(encodeMatrixFile(sent)), sent);
    }),
  );
});

test('it is an Arrow file of one column with one row per matrix row', () => {
  const bytes = encodeMatrixFile(MATRIX);
  assert.equal(new TextDecoder().decode(bytes.subarray(0, 6)), 'ARROW1');
  const table = tableFromIPC(bytes);
  assert.deepEqual(
    table.schema.fields.map(({ name, nullable }) => [name, nullable]),
    [['values', false]],
  );
  const type: unknown = table.schema.fields[0]?.type;
  assert.ok(type instanceof FixedSizeList);
  assert.equal(String(type), 'FixedSizeList[3]<Float64>');
  assert.equal(table.numRows, 2);
  assert.deepEqual(
    [...table.schema.metadata],
    [
      ['layer', MATRIX.layer],
      ['what', MATRIX.what],
      ['normalisation', MATRIX.normalisation],
      ['group', '0'],
      ['samples', '1024'],
    ],
  );
});

test('the same matrix gives the same bytes, however its facts were listed', () => {
  const again = {
    ...MATRIX,
    values: MATRIX.values.slice(),
    metadata: { group: '0', samples: '1024' },
  };
  assert.deepEqual(encodeMatrixFile(again), encodeMatrixFile(MATRIX));
});

test('the bytes do not change between releases by accident', () => {
  assert.equal(
    contentId(encodeMatrixFile(MATRIX)),
    '35cde76ca53a25031bad41b3fea8eddc8835afb1d45c1ec2c8f963a8bc06d848',
  );
});

test('it reads bytes at any offset of a buffer', () => {
  const bytes = encodeMatrixFile(MATRIX);
  for (const offset of [1, 4, 7]) {
    const shifted = new Uint8Array(bytes.length + offset);
    shifted.set(bytes, offset);
    assert.deepEqual(decodeMatrixFile(shifted.subarray(offset)), MATRIX);
  }
});

test('a matrix without the values of its shape is refused', () => {
  assert.throws(() => encodeMatrixFile({ ...MATRIX, rows: 3 }), {
    message: '3 x 3 matrix has 6 values',
  });
});

test('what is no matrix file is refused by name', () => {
  const others: [string, Uint8Array][] = [
    ['nothing', new Uint8Array(0)],
    ['zeros', new Uint8Array(500)],
    ['text', new TextEncoder().encode('ARROW1 is what it begins with, but no more of it')],
    ['another table', tableToIPC(tableFromArrays({ values: Float64Array.from([1]) }), 'file')],
  ];
  for (const [what, bytes] of others) {
    assert.throws(
      () => decodeMatrixFile(bytes),
      (error) => error instanceof MalformedMatrixFileError && error.badInput,
      what,
    );
  }
});

test('a file that is cut anywhere is refused by name or read whole', () => {
  const bytes = encodeMatrixFile(MATRIX);
  for (let length = 0; length < bytes.length; length++) {
    try {
      assert.deepEqual(decodeMatrixFile(bytes.slice(0, length)), MATRIX, `${length} bytes`);
    } catch (error) {
      assert.ok(error instanceof MalformedMatrixFileError, `${length} bytes: ${error}`);
    }
  }
});
