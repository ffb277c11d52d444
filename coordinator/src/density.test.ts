// Spectral densities of whole analyses: estimated ones against all eigenvalues of the same blocks.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { DENSITY, type DensityRow, decodeTable } from '@kronlens/proto';
import { analyse } from './testing/analyse.js';

const FIXTURE = join(
  dirname(fileURLToPath(import.meta.url)),
  '..',
  'fixtures',
  'factors',
  'lenet-small',
);
const PROBES = 40;

test('densities of Lanczos quadrature are those of all eigenvalues', async (t) => {
  const files = { model: join(FIXTURE, 'model.onnx'), data: join(FIXTURE, 'data.npz') };
  const options = {
    measures: ['curvature'] as const,
    layers: ['conv2', 'fc1'],
    top: 5,
    density: 24,
    probes: PROBES,
  };
  const rowsOf = async (dense: number): Promise<DensityRow[]> => {
    const { folder } = await analyse(t, files, { ...options, dense });
    return decodeTable(DENSITY, await readFile(join(folder, 'density.arrow')));
  };
  const exact = await rowsOf(1024);
  const estimated = await rowsOf(0);
  for (const layer of ['conv2', 'fc1']) {
    const own = exact.filter((row) => row.layer === layer);
    const found = estimated.filter((row) => row.layer === layer);
    assert.ok(own.length > 100 && own.every(({ probe }) => probe === null));
    assert.equal(new Set(found.map(({ probe }) => probe)).size, PROBES);
    const largest = own[0]?.eigenvalue ?? 0;
    assert.ok(Math.abs((found[0]?.eigenvalue ?? 0) - largest) < 1e-4 * largest);
    for (const [what, f] of [
      ['all', () => 1],
      ['mean', (value: number) => value / largest],
      ['square', (value: number) => (value / largest) ** 2],
      ['share above a hundredth', (value: number) => (value > largest / 100 ? 1 : 0)],
    ] as const) {
      const truth = own.reduce((sum, row) => sum + row.weight * f(row.eigenvalue), 0);
      const samples = Array.from({ length: PROBES }, (_, probe) =>
        found
          .filter((row) => row.probe === probe)
          .reduce((sum, row) => sum + row.weight * f(row.eigenvalue), 0),
      );
      const mean = samples.reduce((sum, value) => sum + value, 0) / PROBES;
      const spread = samples.reduce((sum, value) => sum + (value - mean) ** 2, 0);
      const error = Math.sqrt(spread / (PROBES - 1) / PROBES);
      assert.ok(
        Math.abs(mean - truth) <= 4 * error + 1e-9,
        `${layer}, ${what}: ${mean} +- ${error} instead of ${truth}`,
      );
    }
  }
});
