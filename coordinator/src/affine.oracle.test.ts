// Blocks of biases and normalisations of a small GPT-2 and a small BERT against float64 oracles from PyTorch.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { decodeTable, SPECTRA } from '@kronlens/proto';
import { analyse } from './testing/analyse.js';

const FIXTURES = join(dirname(fileURLToPath(import.meta.url)), '..', 'fixtures', 'factors');
/** Of eigenvalues, relative to the largest. */
const TOLERANCE = 1e-5;
/** The block of a bias of keys is zero: softmax does not feel a shift of all its inputs. */
const ZERO = 1e-9;

interface AffineOracle {
  readonly parameter: string;
  readonly eigenvalues: { readonly float64: string };
}

for (const name of ['gpt2-small', 'bert-small']) {
  test(`${name}: --include-affine`, async (t) => {
    const folder = join(FIXTURES, name);
    const oracle = JSON.parse(readFileSync(join(folder, 'oracle.json'), 'utf8'));
    const affine: readonly AffineOracle[] = oracle.affine;
    const files = { model: join(folder, 'model.onnx'), data: join(folder, 'data.npz') };
    const options = { measures: ['curvature'], includeAffine: true, batch: 16 } as const;
    const outcome = await analyse(t, files, options);
    const rows = decodeTable(SPECTRA, await readFile(join(outcome.folder, 'spectra.arrow')));
    const found = new Set(rows.map(({ layer }) => layer));
    for (const { parameter, eigenvalues } of affine) {
      assert.ok(found.has(parameter), `no block ${parameter}`);
      const bytes = Uint8Array.from(Buffer.from(eigenvalues.float64, 'base64'));
      const expected = new Float64Array(bytes.buffer);
      const own = rows.filter(({ layer, operator }) => layer === parameter && operator === 'ggn');
      assert.equal(own.length, expected.length, parameter);
      for (const { index, eigenvalue } of own) {
        const error =
          Math.abs(eigenvalue - (expected[index] ?? NaN)) / Math.max(ZERO, expected[0] ?? NaN);
        assert.ok(error <= TOLERANCE, `${parameter}, eigenvalue ${index}: relative error ${error}`);
      }
    }
  });
}
