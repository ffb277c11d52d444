// Tree sums: the same bytes however shards are cut, and close to the exact sum.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { TreeSum } from './tree-sum.js';

const LENGTH = 3;

/** Values of very different magnitude, so that every other order of additions shows. */
const batches = fc.array(
  fc.tuple(
    ...Array.from({ length: LENGTH }, () =>
      fc
        .tuple(fc.double({ min: -1, max: 1, noNaN: true }), fc.integer({ min: -25, max: 25 }))
        .map(([mantissa, exponent]) => mantissa * 2 ** exponent),
    ),
  ),
  { minLength: 1, maxLength: 70 },
);

/** The sum over batches [first, last) of the values. */
function sumOver(values: readonly (readonly number[])[], first: number, last: number) {
  const sum = new TreeSum(first);
  for (const value of values.slice(first, last)) sum.add(Float64Array.from(value));
  return sum.finish();
}

/** Sums of shards of `size` batches, and the batches in each. */
function shardSums(values: readonly (readonly number[])[], size: number) {
  return Array.from({ length: Math.ceil(values.length / size) }, (_, index) => {
    const [first, last] = [index * size, Math.min((index + 1) * size, values.length)];
    return { span: last - first, sum: sumOver(values, first, last) };
  });
}

test('shards of any power-of-two size give the bytes of one shard over everything', () => {
  fc.assert(
    fc.property(batches, fc.integer({ min: 0, max: 7 }), fc.boolean(), (values, log, spans) => {
      const whole = sumOver(values, 0, values.length);
      const merged = new TreeSum(0);
      // With spans in batches, and with each shard counted as one unit, as the merge task does.
      for (const { span, sum } of shardSums(values, 2 ** log)) merged.add(sum, spans ? span : 1);
      assert.deepEqual(new Uint8Array(merged.finish().buffer), new Uint8Array(whole.buffer));
    }),
    { numRuns: 400 },
  );
});

test('shards may be merged in several rounds', () => {
  fc.assert(
    fc.property(batches, (values) => {
      const merged = new TreeSum(0);
      for (let first = 0; first < values.length; first += 16) {
        const part = values.slice(first, first + 16);
        const round = new TreeSum(0);
        for (const { sum } of shardSums(part, 4)) round.add(sum);
        merged.add(round.finish());
      }
      assert.deepEqual(merged.finish(), sumOver(values, 0, values.length));
    }),
  );
});

test('the sum is the exact sum to within the error bound of pairwise summation', () => {
  // The values are multiples of 2^-20, so that sums over BigInt are exact.
  const exact = (column: readonly number[]): number => {
    const scaled = column.reduce((sum, value) => sum + BigInt(Math.round(value * 2 ** 20)), 0n);
    return Number(scaled) / 2 ** 20;
  };
  fc.assert(
    fc.property(batches, (raw) => {
      const values = raw.map((row) => row.map((value) => Math.round(value * 2 ** 20) / 2 ** 20));
      const sum = sumOver(values, 0, values.length);
      for (let i = 0; i < LENGTH; i++) {
        const column = values.map((row) => row[i] ?? 0);
        const magnitude = column.reduce((total, value) => total + Math.abs(value), 0);
        const depth = Math.ceil(Math.log2(values.length)) + 1;
        const error = Math.abs((sum[i] ?? Number.NaN) - exact(column));
        assert.ok(error <= depth * Number.EPSILON * magnitude, `off by ${error}`);
      }
    }),
  );
});

test('float32 values are added in float64', () => {
  const sum = new TreeSum();
  sum.add(Float32Array.of(2 ** 24, 0.1));
  sum.add(Float32Array.of(1, 0.1));
  assert.deepEqual([...sum.finish()], [2 ** 24 + 1, 2 * Math.fround(0.1)]);
});

test('what was added is copied', () => {
  const sum = new TreeSum();
  const values = Float64Array.of(1);
  sum.add(values);
  values[0] = 100;
  sum.add(values);
  values[0] = 1000;
  assert.deepEqual([...sum.finish()], [101]);
  assert.equal(values[0], 1000);
});

test('the tree is that of absolute batch indices', () => {
  // From batch 1: 1 is open by itself, (2 + 3) is a node. (0.1 + 0.2) + 0.3 would differ.
  const sum = new TreeSum(1);
  for (const value of [0.1, 0.2, 0.3]) sum.add(Float64Array.of(value));
  assert.equal(sum.finish()[0], 0.1 + (0.2 + 0.3));
  assert.notEqual(0.1 + (0.2 + 0.3), 0.1 + 0.2 + 0.3);
});

test('misuse is refused', () => {
  assert.throws(() => new TreeSum().finish(), /no batch/);
  assert.throws(() => new TreeSum(-1), /no index/);
  const sum = new TreeSum();
  sum.add(Float64Array.of(1, 2));
  assert.throws(() => sum.add(Float64Array.of(1)), /1 values, the first had 2/);
  assert.throws(() => sum.add(Float64Array.of(1, 2), 0), /span of 0/);
  sum.add(Float64Array.of(1, 2), 3);
  assert.throws(() => sum.add(Float64Array.of(1, 2)), /batches 1 to 3 are no whole subtree/);
  assert.deepEqual([...sum.finish()], [2, 4]);
  assert.throws(() => sum.add(Float64Array.of(1, 2)), /finished/);
});

test('memory that is given is used, and changes nothing', () => {
  fc.assert(
    fc.property(batches, fc.integer({ min: 0, max: 9 }), (values, first) => {
      const spare: Float64Array[] = [];
      const before = Array.from({ length: first }, () => [0, 0, 0]);
      const expected = sumOver([...before, ...values], first, first + values.length);
      for (let use = 0; use < 2; use++) {
        const into = new Float64Array(LENGTH).fill(use);
        const sum = new TreeSum(first, { into, spare });
        for (const value of values) assert.equal(sum.add(Float64Array.from(value)), true);
        assert.equal(sum.finish(), into);
        assert.deepEqual(into, expected);
      }
    }),
  );
});
