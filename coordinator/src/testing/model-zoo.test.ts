import assert from 'node:assert/strict';
import { test } from 'node:test';
import { gradientComplaint } from './model-zoo.js';

test('a gradient passes in float32, or where PyTorch in float32 is off alike and float64 agrees', () => {
  assert.equal(gradientComplaint(9e-5, 0, undefined), undefined);
  assert.equal(gradientComplaint(6e-4, 4e-4, 1e-7), undefined);
});

test('a wrong gradient does not pass', () => {
  assert.equal(gradientComplaint(6e-4, 6e-4, undefined), 'is off by 6.0e-4');
  assert.match(gradientComplaint(6e-4, 6e-4, 5e-4) ?? '', /in float64 by 5.0e-4/);
  assert.match(gradientComplaint(6e-4, 1e-7, 1e-7) ?? '', /PyTorch's in float32 only by 1.0e-7/);
  assert.match(gradientComplaint(Number.NaN, 1, 1e-7) ?? '', /is off by NaN/);
  assert.match(gradientComplaint(1e-3, 1e-3, Number.NaN) ?? '', /in float64 by NaN/);
});
