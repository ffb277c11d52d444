import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type FactorSpectra, kroneckerSpectrum } from './kronecker-spectrum.js';

function sortedProducts(blocks: readonly FactorSpectra[]): number[] {
  return blocks
    .flatMap(({ input, output }) =>
      Array.from(output).flatMap((mu) => Array.from(input, (lambda) => mu * lambda)),
    )
    .sort((a, b) => b - a);
}

test('equals the sorted list of all products, for every sign, tie and count', () => {
  const value = fc.oneof(
    fc.integer({ min: -3, max: 6 }),
    fc.double({ min: -1e-12, max: 10, noNaN: true }),
  );
  const spectrum = fc
    .array(value, { minLength: 1, maxLength: 7 })
    .map((values) => values.sort((a, b) => b - a));
  const blocks = fc.array(fc.record({ input: spectrum, output: spectrum }), {
    minLength: 1,
    maxLength: 4,
  });
  fc.assert(
    fc.property(blocks, fc.integer({ min: 0, max: 60 }), (list, count) => {
      const found = kroneckerSpectrum(list, count);
      const expected = sortedProducts(list).slice(0, count);
      assert.deepEqual(
        found.map((eigenvalue) => eigenvalue.value + 0),
        expected.map((product) => product + 0),
      );
      const places = found.map((e) => `${e.group} ${e.outputIndex} ${e.inputIndex}`);
      assert.equal(new Set(places).size, places.length);
    }),
  );
});

test('ties come in the order of group, output index and input index', () => {
  const ones = { input: [1, 1], output: [1, 1] };
  assert.deepEqual(
    kroneckerSpectrum([ones, ones], 5).map((e) => [e.group, e.outputIndex, e.inputIndex]),
    [
      [0, 0, 0],
      [0, 0, 1],
      [0, 1, 0],
      [0, 1, 1],
      [1, 0, 0],
    ],
  );
});

test('a large product needs only the top of the heap', () => {
  const long = Float64Array.from({ length: 4096 }, (_, index) => 1 / (index + 1));
  const top = kroneckerSpectrum([{ input: long, output: long }], 50);
  assert.equal(top[0]?.value, 1);
  assert.equal(top[1]?.value, 0.5);
  assert.equal(top.length, 50);
});
