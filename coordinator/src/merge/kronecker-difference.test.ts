import assert from 'node:assert/strict';
import { test } from 'node:test';
import { packSymmetric, unpackSymmetric } from '@kronlens/proto';
import { minusKronecker } from './kronecker-difference.js';

function symmetric(n: number, seed: number) {
  const full = new Float64Array(n * n);
  for (let i = 0; i < n; i++)
    for (let j = 0; j <= i; j++)
      full[i * n + j] = full[j * n + i] = Math.sin(seed + 3 * i + 7 * j * i);
  const values = packSymmetric(full, n);
  return { full, tensor: { name: '', shape: [n, n], symmetric: true, values } };
}

test('H minus the block diagonal of Kronecker products, entry by entry', () => {
  const [m, n, groups] = [2, 3, 2];
  const dim = groups * m * n;
  const block = symmetric(dim, 1);
  const outputs = [symmetric(m, 2), symmetric(m, 3)];
  const inputs = [symmetric(n, 4), symmetric(n, 5)];
  const factors = inputs.map(({ tensor: input }, g) => {
    const output = outputs[g];
    assert.ok(output !== undefined);
    return { input, output: output.tensor };
  });
  const got = unpackSymmetric(minusKronecker(block.tensor, factors).values, dim);
  for (let row = 0; row < dim; row++) {
    for (let column = 0; column < dim; column++) {
      const [g, h] = [Math.floor(row / (m * n)), Math.floor(column / (m * n))];
      const [r, c] = [row % (m * n), column % (m * n)];
      const product =
        g === h
          ? (outputs[g]?.full[Math.floor(r / n) * m + Math.floor(c / n)] ?? NaN) *
            (inputs[g]?.full[(r % n) * n + (c % n)] ?? NaN)
          : 0;
      const expected = (block.full[row * dim + column] ?? NaN) - product;
      assert.ok(Math.abs((got[row * dim + column] ?? NaN) - expected) < 1e-14);
    }
  }
});

test('factors of other dimensions are refused', () => {
  const factors = [{ input: symmetric(2, 1).tensor, output: symmetric(2, 2).tensor }];
  assert.throws(
    () => minusKronecker(symmetric(5, 1).tensor, factors),
    /4 weights beside a block of 5/,
  );
});
