import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ortEvaluator } from '../../testing/ort-evaluator.js';
import { standardVariances } from './standard-variances.js';

/** The rows of a rotation by an angle. */
const turn = (angle: number) => ({
  size: 2,
  vectors: Float64Array.of(Math.cos(angle), Math.sin(angle), -Math.sin(angle), Math.cos(angle)),
});

test('variances in the standard basis are the diagonal of the explicit covariance', async () => {
  const variances = Float64Array.of(1, 4, 0.25, 9);
  const [u, v] = [turn(0.3), turn(-1.1)];
  const found = await standardVariances(variances, u, v, ortEvaluator);
  for (const [place, value] of found.entries()) {
    const [i, j] = [Math.floor(place / 2), place % 2];
    let expected = 0;
    for (let a = 0; a < 2; a++)
      for (let b = 0; b < 2; b++) {
        // W_ij = sum_ab U_ia xi_ab V_jb, eigenvectors a and b being the rows.
        const coefficient = (u.vectors[2 * a + i] ?? 0) * (v.vectors[2 * b + j] ?? 0);
        expected += coefficient ** 2 * (variances[2 * a + b] ?? 0);
      }
    assert.ok(Math.abs(value - expected) < 1e-14, `${place}: ${value}, ${expected}`);
  }
  const sum = (values: Float64Array) => values.reduce((total, value) => total + value, 0);
  assert.ok(Math.abs(sum(found) - sum(variances)) < 1e-13);
});

test('a bias is rotated by the output eigenvectors alone', async () => {
  const found = await standardVariances(
    Float64Array.of(1, 3),
    turn(Math.PI / 2),
    undefined,
    ortEvaluator,
  );
  assert.ok(Math.abs((found[0] ?? 0) - 3) < 1e-14 && Math.abs((found[1] ?? 0) - 1) < 1e-14);
});

test('an embedding is rotated by the output eigenvectors, each of its rows for itself', async () => {
  const found = await standardVariances(
    Float64Array.of(1, 2, 3, 4, 5, 6),
    turn(Math.PI / 2),
    undefined,
    ortEvaluator,
  );
  for (const [place, expected] of [4, 5, 6, 1, 2, 3].entries())
    assert.ok(Math.abs((found[place] ?? 0) - expected) < 1e-14, `${place}: ${found[place]}`);
});
