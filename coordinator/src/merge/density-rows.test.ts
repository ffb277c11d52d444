// Point masses of densities: they add up to 1 for each probe, and empty ones have no row.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { densityRows, exactMasses, quadratureMasses } from './density-rows.js';

test('eigenvalues that are known have equal masses and no probe', () => {
  const rows = densityRows('fc', 'ggn', exactMasses(Float64Array.of(3, 1, 0, 0)));
  assert.deepEqual(rows[1], {
    layer: 'fc',
    operator: 'ggn',
    probe: null,
    eigenvalue: 1,
    weight: 0.25,
  });
  assert.equal(
    rows.reduce((sum, { weight }) => sum + weight, 0),
    1,
  );
});

test('nodes belong to their probe; those without weight are left out', () => {
  const masses = quadratureMasses({
    nodes: Float64Array.of(5, 1, 1, 6, 2, 1),
    weights: Float64Array.of(0.25, 0.75, 0, 0.5, 0.25, 0.25),
    probes: 2,
  });
  assert.deepEqual(
    masses.map(({ probe, eigenvalue }) => [probe, eigenvalue]),
    [
      [0, 5],
      [0, 1],
      [1, 6],
      [1, 2],
      [1, 1],
    ],
  );
});
