// Tensor bundles: shapes, packed symmetric matrices, bytes, and what is refused.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { tableFromIPC } from 'apache-arrow';
import fc from 'fast-check';
import { contentId } from '../store/artifact-store.js';
import { encodeBundle } from './bundle-layout.js';
import {
  type BundleTensor,
  decodeBundle,
  MalformedBundleError,
  packSymmetric,
  storedLength,
  unpackSymmetric,
} from './tensor-bundle.js';

fc.configureGlobal({ seed: 20 });

const valuesOf = (length: number) => fc.float64Array({ minLength: length, maxLength: length });

const tensor: fc.Arbitrary<Omit<BundleTensor, 'name'>> = fc.oneof(
  fc
    .array(fc.integer({ min: 0, max: 4 }), { maxLength: 4 })
    .chain((shape) =>
      valuesOf(storedLength(shape, false)).map((values) => ({ shape, symmetric: false, values })),
    ),
  fc.integer({ min: 1, max: 6 }).chain((n) =>
    valuesOf(storedLength([n, n], true)).map((values) => ({
      shape: [n, n],
      symmetric: true,
      values,
    })),
  ),
);
const bundle = fc
  .dictionary(fc.string(), tensor, { maxKeys: 6, noNullPrototype: true })
  .map((named) => Object.entries(named).map(([name, rest]) => ({ name, ...rest })));

const EXAMPLE: BundleTensor[] = [
  { name: 'fc1/input', shape: [2, 2], symmetric: true, values: Float64Array.from([1, 2, 3]) },
  { name: 'fc1/mean', shape: [2], symmetric: false, values: Float64Array.from([4, -0]) },
  { name: 'loss', shape: [], symmetric: false, values: Float64Array.from([0.5]) },
];

test('any tensors come back bit for bit, in order', () => {
  fc.assert(
    fc.property(bundle, (tensors) => {
      assert.deepEqual([...decodeBundle(encodeBundle(tensors)).values()], tensors);
    }),
  );
});

test('tensors that are cut into pieces for record batches come back whole', () => {
  fc.assert(
    fc.property(bundle, fc.integer({ min: 1, max: 20 }), (tensors, mostValues) => {
      const bytes = encodeBundle(tensors, mostValues);
      assert.deepEqual([...decodeBundle(bytes).values()], tensors);
    }),
  );
  const rows = (mostValues: number) => tableFromIPC(encodeBundle(EXAMPLE, mostValues)).numRows;
  assert.deepEqual([1, 2, 3, 6].map(rows), [6, 4, 3, 3]);
});

test('NaN and infinity are kept: whoever reads the sums names the layer', () => {
  const values = Float64Array.from([Number.NaN, Number.POSITIVE_INFINITY]);
  const read = decodeBundle(encodeBundle([{ name: 'x', shape: [2], symmetric: false, values }]));
  assert.deepEqual(read.get('x')?.values, values);
});

test('the same tensors give the same bytes', () => {
  const copies = EXAMPLE.map((each) => ({ ...each, values: each.values.slice() }));
  assert.deepEqual(encodeBundle(copies), encodeBundle(EXAMPLE));
  assert.equal(
    contentId(encodeBundle(EXAMPLE)),
    '92f253c6654854878388d90e8c8f7991052b72adb209748fe40a7e03161b541d',
  );
});

test('it reads bytes at any offset of a buffer', () => {
  const bytes = encodeBundle(EXAMPLE);
  for (const offset of [1, 4, 7]) {
    const shifted = new Uint8Array(bytes.length + offset);
    shifted.set(bytes, offset);
    assert.deepEqual([...decodeBundle(shifted.subarray(offset)).values()], EXAMPLE);
  }
});

test('packing a symmetric matrix and unpacking it gives the matrix', () => {
  const symmetric = fc
    .integer({ min: 0, max: 8 })
    .chain((n) => fc.tuple(fc.constant(n), valuesOf((n * (n + 1)) / 2)));
  fc.assert(
    fc.property(symmetric, ([n, packed]) => {
      const full = unpackSymmetric(packed, n);
      assert.equal(full.length, n * n);
      for (let i = 0; i < n; i++)
        for (let j = 0; j < n; j++) assert.ok(Object.is(full[i * n + j], full[j * n + i]));
      assert.deepEqual(packSymmetric(full, n), packed);
    }),
  );
  assert.deepEqual(
    packSymmetric([1, 2, 3, 2, 4, 5, 3, 5, 6], 3),
    Float64Array.from([1, 2, 3, 4, 5, 6]),
  );
});

test('a tensor without the values of its shape, or twice the same name, is refused when writing', () => {
  const values = new Float64Array(4);
  assert.throws(() => encodeBundle([{ name: 'a', shape: [2, 2], symmetric: true, values }]), {
    message: "tensor 'a' [2,2] has 4 values",
  });
  assert.throws(() => encodeBundle([...EXAMPLE, ...EXAMPLE]), {
    message: "two tensors of the bundle are named 'fc1/input'",
  });
  assert.throws(
    () => encodeBundle([{ name: 'a', shape: [1, 4], symmetric: true, values: values.slice(0, 1) }]),
    {
      message: "symmetric tensor 'a' has shape [1,4], which is not square",
    },
  );
});

test('what is no bundle is refused by name', () => {
  const text = new TextEncoder().encode('ARROW1 is what it begins with, but no more of it');
  for (const junk of [new Uint8Array(0), new Uint8Array(500), text])
    assert.throws(() => decodeBundle(junk), MalformedBundleError);
});

test('a bundle that is cut anywhere is refused by name or read whole', () => {
  const bytes = encodeBundle(EXAMPLE);
  for (let length = 0; length < bytes.length; length++) {
    try {
      const read = [...decodeBundle(bytes.slice(0, length)).values()];
      assert.deepEqual(read, EXAMPLE, `${length} bytes`);
    } catch (error) {
      assert.ok(error instanceof MalformedBundleError, `${length} bytes: ${error}`);
    }
  }
});
