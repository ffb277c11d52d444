// Norms of the blocks of a random matrix, estimated and by unit vectors.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { randomSymmetric } from '../linalg/testing/matrices.js';
import { denseOperator } from '../testing/operators.js';
import { crossNorms } from './cross-norms.js';

const SIZES = [7, 1, 12];
const DIM = 20;
const MATRIX = randomSymmetric(DIM, 9);

function blockSquare(a: number, b: number): number {
  const start = (i: number) => SIZES.slice(0, i).reduce((sum, size) => sum + size, 0);
  let sum = 0;
  for (let i = start(a); i < start(a + 1); i++)
    for (let j = start(b); j < start(b + 1); j++) sum += (MATRIX[i * DIM + j] ?? Number.NaN) ** 2;
  return sum;
}

test('unit vectors give the norms themselves', async () => {
  const operator = denseOperator(MATRIX, DIM);
  const { squares, standardErrors } = await crossNorms(operator, SIZES, {
    probes: 0,
    seed: 1n,
    block: 8,
  });
  for (const a of [0, 1, 2])
    for (const b of [0, 1, 2]) {
      const [got = Number.NaN, expected] = [squares[a * 3 + b], blockSquare(a, b)];
      assert.ok(Math.abs(got - expected) < 1e-12 * expected, `block ${a}, ${b}: ${got}`);
      assert.equal(standardErrors[a * 3 + b], 0);
    }
});

test('estimates lie within their standard errors, whatever the block of vectors', async () => {
  const run = (block: number, probes = 400) =>
    crossNorms(denseOperator(MATRIX, DIM), SIZES, { probes, seed: 5n, block });
  const { squares, standardErrors } = await run(16);
  for (const a of [0, 1, 2])
    for (const b of [0, 1, 2]) {
      const at = a * 3 + b;
      const off = Math.abs((squares[at] ?? Number.NaN) - blockSquare(a, b));
      assert.ok(off <= 4 * (standardErrors[at] ?? 0) + 1e-12, `block ${a}, ${b} is off by ${off}`);
      assert.ok((standardErrors[at] ?? 1) < 0.2 * blockSquare(a, b), `block ${a}, ${b}`);
    }
  assert.deepEqual(await run(3, 10), await run(10, 10));
});

test('segments must make the whole', async () => {
  const options = { probes: 1, seed: 1n, block: 1 };
  await assert.rejects(crossNorms(denseOperator(MATRIX, DIM), [3, 4], options), /do not make/);
});
