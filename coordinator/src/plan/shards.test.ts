import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { cutShards } from './shards.js';

test('shards are aligned power-of-two ranges that cover every batch once', () => {
  const request = fc.record({
    samples: fc.integer({ min: 1, max: 100_000 }),
    batch: fc.integer({ min: 1, max: 512 }),
    shard: fc.option(fc.integer({ min: 1, max: 100_000 }), { nil: undefined }),
    resultBytes: fc.integer({ min: 0, max: 2 ** 33 }),
  });
  fc.assert(
    fc.property(request, (value) => {
      const shards = cutShards(value);
      const size = shards[0]?.batchCount ?? 0;
      let next = 0;
      for (const [index, { firstBatch, batchCount }] of shards.entries()) {
        assert.equal(firstBatch, next);
        next += batchCount;
        if (index < shards.length - 1) {
          assert.equal(batchCount, size);
          assert.ok(Number.isInteger(Math.log2(batchCount)));
        } else assert.ok(batchCount >= 1 && batchCount <= size);
      }
      assert.equal(next, Math.ceil(value.samples / value.batch));
    }),
  );
});

test('a shard of --shard samples is rounded up to a power of two of batches', () => {
  const sizes = (shard: number) =>
    cutShards({ samples: 1000, batch: 100, shard, resultBytes: 1 }).map((s) => s.batchCount);
  assert.deepEqual(sizes(1), Array(10).fill(1));
  assert.deepEqual(sizes(101), [2, 2, 2, 2, 2]);
  assert.deepEqual(sizes(300), [4, 4, 2]);
  assert.deepEqual(sizes(5000), [10]);
});

test('large results make fewer shards, small ones about 32', () => {
  const count = (resultBytes: number) =>
    cutShards({ samples: 60_000, batch: 60, shard: undefined, resultBytes }).length;
  assert.equal(count(1000), 32);
  assert.equal(count(2 ** 28), 8);
  assert.equal(count(2 ** 40), 4);
});

test('few batches are shared by several shards, more make shards of four', () => {
  const count = (batches: number) =>
    cutShards({ samples: batches, batch: 1, shard: undefined, resultBytes: 1000 }).length;
  assert.deepEqual([1, 3, 4, 8, 12, 16, 40, 128].map(count), [1, 3, 2, 4, 3, 4, 10, 32]);
});
