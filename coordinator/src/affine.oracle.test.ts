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
    const shown = new Map(outcome.record.blocks?.map((block) => [block.block, block]));
    const found = new Set(rows.map(({ layer }) => layer));
    for (const { parameter, eigenvalues } of affine) {
      assert.ok(found.has(parameter), `no block ${parameter}`);
      const bytes = Uint8Array.from(Buffer.from(eigenvalues.float64, 'base64'));
      const expected = new Float64Array(bytes.buffer);
      const own = rows.filter(({ layer, operator }) => layer === parameter && operator === 'ggn');
      assert.equal(own.length, expected.length, parameter);
      const [summary] = shown.get(parameter)?.operators ?? [];
      assert.equal(shown.get(parameter)?.parameters, expected.length, parameter);
      assert.equal(summary?.largest, own[0]?.eigenvalue, parameter);
      const trace = expected.reduce((sum, value) => sum + value, 0);
      const off = Math.abs((summary?.trace ?? Number.NaN) - trace);
      assert.ok(off <= TOLERANCE * Math.max(ZERO, trace), `${parameter}: trace off by ${off}`);
      for (const { index, eigenvalue } of own) {
        const error =
          Math.abs(eigenvalue - (expected[index] ?? NaN)) / Math.max(ZERO, expected[0] ?? NaN);
        assert.ok(error <= TOLERANCE, `${parameter}, eigenvalue ${index}: relative error ${error}`);
      }
    }
  });
}
