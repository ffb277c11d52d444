// Orthonormal blocks: orthogonality, rank, and that the original rows can be put together again.
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { createLinearAlgebra } from '../linalg/index.js';
import { identity, largestDifference, product, transpose } from '../linalg/testing/matrices.js';
import { orthonormalise } from './orthonormalise.js';
import { PanelRows } from './panel-rows.js';
import { normalRows } from './random-rows.js';

const linalg = await createLinearAlgebra('auto');
after(() => linalg.close());

const DIM = 60;

/** Orthonormal rows, to test against. */
async function orthonormal(count: number): Promise<PanelRows> {
  const rows = new PanelRows(count, DIM);
  rows.write(0, normalRows(9n, 1, 0, count, DIM));
  const none = { of: rows, at: 0, count: 0 };
  assert.equal((await orthonormalise(linalg, rows, count, none, 0)).rank, count);
  return rows;
}

/** Orthonormalises rows that are orthogonal to three others; checks the result and returns the rank. */
async function check(made: (free: Float64Array) => Float64Array, floor: number): Promise<number> {
  const all = await orthonormal(12);
  const basis = { of: all, at: 0, count: 3 };
  const rows = made(all.read(3, 9));
  const count = rows.length / DIM;
  const block = new PanelRows(count, DIM);
  block.write(0, rows);
  const { rank, coupling } = await orthonormalise(linalg, block, count, basis, floor);
  const found = block.read(0, rank);
  const gram = product(found, transpose(found, rank, DIM), rank, DIM, rank);
  assert.ok(largestDifference(gram, identity(rank)) < 1e-14, 'orthonormal');
  const inside = product(found, transpose(all.read(0, 3), 3, DIM), rank, DIM, 3);
  assert.ok(
    inside.every((value) => Math.abs(value) < 1e-14),
    'orthogonal to the basis',
  );
  const again = product(coupling, found, count, rank, DIM);
  const size = Math.max(...rows.map(Math.abs));
  assert.ok(largestDifference(again, rows) <= 1e-14 * size + floor, 'the rows again');
  return rank;
}

/** Combinations of the rows [9, DIM]. */
function combinations(free: Float64Array, factors: readonly (readonly number[])[]): Float64Array {
  const padded = factors.flatMap((row) => Array.from({ length: 9 }, (_, i) => row[i] ?? 0));
  return product(Float64Array.from(padded), free, factors.length, 9, DIM);
}

test('rows of very different lengths', async () => {
  const sizes = [1e8, 1, 1e-8, 1e-30];
  const factors = sizes.map((size, i) => sizes.map((_, j) => (i === j ? size : 0)));
  assert.equal(await check((free) => combinations(free, factors), 0), 4);
});

test('nearly dependent rows keep what tells them apart', async () => {
  const factors = [[1], [1, 1e-6], [1, 0, 1e-9], [1, 1, 1]];
  assert.equal(await check((free) => combinations(free, factors), 1e-14), 4);
});

test('dependent rows are found out', async () => {
  const factors = [
    [1, 2],
    [2, 4],
    [1, 0, 3],
    [0, 2, -3],
  ];
  assert.equal(await check((free) => combinations(free, factors), 1e-13), 2);
  assert.equal(await check((free) => combinations(free, [[0], [0]]), 0), 0);
  assert.equal(await check((free) => combinations(free, [[1e-16], [3]]), 1e-14), 1);
});
