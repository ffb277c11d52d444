import assert from 'node:assert/strict';
import { test } from 'node:test';
import { gaussianKl } from '../../bound/index.js';
import { boundOf, klRows } from './bound-rows.js';
import { posteriorParts, totalSums } from './posterior-parts.js';

const tensor = (name: string, values: readonly number[]) => ({
  name,
  shape: [values.length],
  symmetric: false,
  values: Float64Array.from(values),
});
const bundle = (tensors: readonly ReturnType<typeof tensor>[]) =>
  new Map(tensors.map((entry) => [entry.name, entry]));
const PARAMETERS = [
  { name: 'fc.weight', shape: [1, 2], part: 'weight' as const, layer: undefined, places: [] },
  { name: 'scale', shape: [1], part: undefined, layer: undefined, places: [] },
];
const STATE = bundle([
  tensor('mean/fc.weight', [1, -2]),
  tensor('log_std/fc.weight', [-1, -2]),
  tensor('mean/scale', [0.5]),
  tensor('log_std/scale', [-3]),
  tensor('rho', [-1.5]),
]);

test('sums of the parts, with the prior at the initialisation and at zero', () => {
  const { parts, rho } = posteriorParts(STATE, PARAMETERS, [
    tensor('fc.weight', [1, -1]),
    tensor('scale', [0.25]),
  ]);
  assert.equal(rho, -1.5);
  assert.deepEqual(parts[0]?.sums, {
    parameters: 2,
    varianceSum: Math.exp(-2) + Math.exp(-4),
    logDeviationSum: -3,
    squaredDistance: 1,
  });
  assert.equal(totalSums(parts).squaredDistance, 1 + 0.0625);
  assert.equal(totalSums(posteriorParts(STATE, PARAMETERS, undefined).parts).squaredDistance, 5.25);
  assert.throws(() => posteriorParts(new Map(), PARAMETERS, undefined), /lacks 'mean\/fc.weight'/);
});

test('parts of the KL add up to that of the bound', () => {
  const posterior = posteriorParts(STATE, PARAMETERS, undefined);
  const options = { delta: 0.025, deltaPrime: 0.01, b: 100, c: 0.1 };
  const found = boundOf(posterior, { error: 0.1, draws: 1000 }, 5000, options);
  const rows = klRows('iter', posterior, PARAMETERS, found);
  const sum = rows.reduce((total, { kl }) => total + kl, 0);
  assert.ok(Math.abs(sum - found.kl) < 1e-12);
  assert.ok(
    Math.abs(found.kl - gaussianKl(totalSums(posterior.parts), 2 * found.halfLogLambda)) < 1e-12,
  );
  // The optimised 2 rho = -3 lies between the grid's points 69 and 70.
  assert.ok(found.j === 69 || found.j === 70);
  assert.deepEqual(
    rows.map(({ parameter, layer, dimension }) => [parameter, layer, dimension]),
    [
      ['fc.weight', null, 2],
      ['scale', null, 1],
    ],
  );
});
