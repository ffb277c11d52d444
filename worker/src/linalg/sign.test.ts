// The sign of a vector: opposite vectors give the same bytes.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fixSign } from './sign.js';

test('the component of largest magnitude becomes positive, the first of several', () => {
  for (const [vector, fixed, turned] of [
    [[1, -3, 2], [-1, 3, -2], true],
    [[1, 3, -2], [1, 3, -2], false],
    [[-2, 2], [2, -2], true],
    [[2, -2], [2, -2], false],
    [[-0, 1], [0, 1], false],
    [[0, -1], [0, 1], true],
  ] as const) {
    const values = Float64Array.from(vector);
    assert.equal(fixSign(values), turned);
    assert.deepEqual(values, Float64Array.from(fixed));
    assert.ok(!values.some((value) => Object.is(value, -0)));
  }
});

test('what is no vector has no sign', () => {
  for (const vector of [[0, 0], [1, Number.NaN], [Number.POSITIVE_INFINITY, 1], []]) {
    assert.equal(fixSign(Float64Array.from(vector)), undefined);
  }
});
