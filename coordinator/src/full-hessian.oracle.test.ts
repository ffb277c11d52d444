// The Hessian of all layers together, exact and approximate, against float64 oracles from PyTorch.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { decodeMatrixFile, decodeTable, SPECTRA } from '@kronlens/proto';
import { analyse } from './testing/analyse.js';
import { assertNear, measured, measureFixtures, structureOf } from './testing/measure-fixtures.js';

const EIGENVALUES = 1e-5;
const OVERLAP = 2e-3;
const TOP = 10;

for (const { name, model, data, oracle } of measureFixtures()) {
  const expected = oracle.fullHessian;
  for (const dense of [1024, 0]) {
    // The dense form and the iteration take the same products.
    if (dense === 0 && name !== 'lenet-small') continue;
    test(`full Hessian of ${name}, ${dense > 0 ? 'formed whole' : 'by products'}`, async (t) => {
      const options = { loss: oracle.loss, measures: ['eigen'] as const, top: TOP, batch: 8 };
      const asked = { ...options, dense, fullHessian: true };
      const { folder, record } = await analyse(t, { model, data }, asked);
      const spectra = decodeTable(SPECTRA, await readFile(join(folder, 'spectra.arrow')));
      const [largest = 0] = expected.eigenvalues;
      for (const [operator, values] of [
        ['ggn', expected.eigenvalues],
        ['output', expected.outputEigenvalues],
        ['approximate', expected.approximateEigenvalues],
      ] as const) {
        const rows = spectra.filter((row) => row.layer === '*' && row.operator === operator);
        const found = rows.map(({ eigenvalue }) => eigenvalue);
        assert.ok(found.length >= values.length, `${found.length} of ${operator}`);
        const scale = operator === 'output' ? (values[0] ?? 0) : largest;
        for (const [index, value] of values.entries())
          assertNear(`${operator} ${index}`, found[index], value, EIGENVALUES * scale);
      }
      const overlaps = measured(await structureOf(folder), '*', 'eigenspace_overlap');
      for (const [index, value] of expected.overlap.entries())
        if (value !== null && index < overlaps.length)
          assertNear(`overlap at ${index + 1}`, overlaps[index], value, OVERLAP);
      assert.ok(overlaps.length >= Math.min(4, expected.overlap.length));
      const output = decodeMatrixFile(await readFile(join(folder, 'full', 'output.arrow')));
      assert.equal(output.rows, expected.outputDimension);
      for (const file of ['ggn', 'approximate']) {
        const matrix = decodeMatrixFile(await readFile(join(folder, 'full', `${file}.arrow`)));
        assert.equal(matrix.columns, expected.dimension);
        for (let i = 0; i < matrix.rows; i++) {
          const row = matrix.values.subarray(i * matrix.columns, (i + 1) * matrix.columns);
          assertNear(`length of ${file} ${i}`, Math.hypot(...row), 1, 1e-9);
        }
      }
      assert.equal(record.fullHessian?.weights, expected.dimension);
    });
  }
}
