// How weight-space vectors are cut into chunks and groups.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { chunksOf, dimensionOf, groupPart } from './weight-vectors.js';

const SHAPE = { groups: 2, outDim: 2, inDim: 3 };
/** Component (g * m + i) * n + j of vector v is 100 v + 10 (g * m + i) + j. */
const VECTORS = {
  shape: SHAPE,
  count: 3,
  values: Float64Array.from({ length: 3 * dimensionOf(SHAPE) }, (_, at) => {
    const [vector, component] = [Math.floor(at / 12), at % 12];
    return 100 * vector + 10 * Math.floor(component / 3) + (component % 3);
  }),
};

test('the part of a group, vectors side by side', () => {
  const part = groupPart(VECTORS, 1, { first: 1, count: 2 });
  const rows = [0, 1, 2, 3].map((row) => [...part.subarray(row * 3, row * 3 + 3)]);
  assert.deepEqual(rows, [
    [120, 121, 122],
    [220, 221, 222],
    [130, 131, 132],
    [230, 231, 232],
  ]);
});

test('a single vector has the layout of several', () => {
  assert.deepEqual(
    [...groupPart(VECTORS, 1, { first: 2, count: 1 })],
    [220, 221, 222, 230, 231, 232],
  );
});

test('chunks cover all vectors; large matrices come one by one', () => {
  assert.deepEqual(chunksOf(VECTORS), [{ first: 0, count: 3 }]);
  const large = { shape: { groups: 1, outDim: 2048, inDim: 4096 }, values: new Float64Array(0) };
  assert.deepEqual(chunksOf({ ...large, count: 2 }), [
    { first: 0, count: 1 },
    { first: 1, count: 1 },
  ]);
  const half = { ...large, shape: { ...large.shape, outDim: 512 }, count: 3 };
  assert.deepEqual(chunksOf(half), [
    { first: 0, count: 2 },
    { first: 2, count: 1 },
  ]);
  assert.deepEqual(chunksOf({ ...large, count: 0 }), []);
});
