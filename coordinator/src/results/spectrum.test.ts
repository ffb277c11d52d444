// Spectra out of table rows, and what counts as 0.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { layerSpectra, numericalRank } from './spectrum.js';

test('rows are sorted by index and told apart by layer and operator', () => {
  const row = { layer: 'a', operator: 'ggn', residual: null, converged: true };
  const spectra = layerSpectra(
    [
      { ...row, index: 1, eigenvalue: 2 },
      { ...row, index: 0, eigenvalue: 3 },
      { ...row, index: 2, eigenvalue: 1, converged: false },
      { ...row, index: 0, eigenvalue: 7, operator: 'kron' },
      { ...row, index: 0, eigenvalue: 9, layer: 'b' },
    ],
    'a',
  );
  assert.deepEqual(
    [...spectra],
    [
      ['ggn', { eigenvalues: [3, 2, 1], converged: 2 }],
      ['kron', { eigenvalues: [7], converged: 1 }],
    ],
  );
});

test('the rank counts what float32 can tell from 0', () => {
  assert.equal(numericalRank([1, 1e-3, 7e-8, 5e-8, -1e-9]), 3);
  assert.equal(numericalRank([1e-12, 1e-13]), 2);
  assert.equal(numericalRank([0, 0]), 0);
  assert.equal(numericalRank([]), 0);
});
