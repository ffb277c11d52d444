// Outliers of spectra whose gaps are known, and the cases in which nothing can be said.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { outlierPosition, outlierRatio } from './outliers.js';

fc.configureGlobal({ seed: 17 });
const spectrum = (...values: number[]) => Float64Array.from(values);

test('the largest relative gap, and lambda_(c-1) / lambda_c', () => {
  const values = spectrum(8, 6, 4, 0.5, 0.4, 0.3, 0.2, 0.1, 0.05);
  assert.equal(outlierPosition(values, 9, 4), 3);
  assert.equal(outlierRatio(values, 4), 8);
  assert.equal(outlierRatio(values, 3), 1.5);
});

test('only gaps after the 3c largest are looked at', () => {
  const values = spectrum(9, 8, 3, 2.9, 2.8, 2.7, 2.6, 1e-3);
  assert.equal(outlierPosition(values, 8, 2), 2);
  assert.equal(outlierPosition(values, 8, 3), 7);
});

test('zeros count as the noise floor; equal gaps: the first', () => {
  assert.equal(outlierPosition(spectrum(5, 4, 3e-8, 1e-9, 0, 0), 6, 3), 2);
  assert.equal(outlierPosition(spectrum(1, 1e-4, 1e-7, 0, 0, 0), 6, 3), 1);
  assert.equal(outlierRatio(spectrum(5, 4, 3e-8), 3), null);
  assert.equal(outlierPosition(spectrum(4, 2, 1, 0.5), 4, 3), 1);
  assert.equal(outlierPosition(spectrum(3, -1, -2), 3, 2), 1);
});

test('nothing is said of a zero matrix, of too few eigenvalues, of one eigenvalue', () => {
  assert.equal(outlierPosition(spectrum(0, 0, 0), 3, 2), null);
  assert.equal(outlierRatio(spectrum(0, 0, 0), 2), null);
  assert.equal(outlierPosition(spectrum(5, 1), 100, 10), null);
  assert.equal(outlierPosition(spectrum(5, 1), 2, 10), 1);
  assert.equal(outlierPosition(spectrum(5), 1, 1), null);
  assert.equal(outlierRatio(spectrum(5, 1), 1), null);
  assert.equal(outlierRatio(spectrum(5, 1), 3), null);
});

test('a position within the spectrum that scaling does not move', () =>
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 1, max: 1000 }), { minLength: 2, maxLength: 20 }),
      fc.integer({ min: 1, max: 8 }),
      (list, classes) => {
        const values = Float64Array.from(list).sort((a, b) => b - a);
        const position = outlierPosition(values, values.length, classes);
        assert.ok(position !== null && position >= 1 && position <= 3 * classes);
        assert.equal(
          outlierPosition(
            values.map((v) => v * 64),
            values.length,
            classes,
          ),
          position,
        );
      },
    ),
  ));
