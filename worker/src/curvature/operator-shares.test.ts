// Shares of an operator: every sample once, along the tree over batches, within the memory.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  create,
  ElementType,
  InputRole,
  ProgramOutputSchema,
  ProgramSchema,
  Reduction,
} from '@kronlens/proto';
import type { OperatorPart } from './operator-job.js';
import { capturedBytes, mostShares, shareOut, type WholeOperator } from './operator-shares.js';

/** Full batches of 4, and a last one of 3; 5 values are captured of a sample. */
function wholeOperator(fullBatches: number, memoryBytes = 1e9): WholeOperator {
  const program = (batch: number) =>
    create(ProgramSchema, {
      batch,
      inputs: [{ name: 'v', role: InputRole.PROBE, type: ElementType.FLOAT32 }],
      outputs: [{ name: 'r', reduction: Reduction.PER_SAMPLE, shape: [BigInt(batch), 5n] }],
    });
  const part = (batch: number, firstSample: number, samples: number): OperatorPart => {
    return { capture: program(batch), product: program(batch), firstSample, samples };
  };
  const full = part(4, 0, 4 * fullBatches);
  const job = {
    what: 'products',
    arrays: [],
    seed: 1n,
    parts: [...(fullBatches > 0 ? [full] : []), part(3, 4 * fullBatches, 3)],
    firstBatch: 0,
    probe: 'v',
    output: create(ProgramOutputSchema),
    vectors: 2,
    dim: 10,
    keep: true,
  };
  return { job, samples: 4 * fullBatches + 3, memoryBytes };
}

test('shares cover every batch once, in order, in aligned powers of two', () => {
  for (const fullBatches of [0, 1, 2, 6, 7, 8, 12]) {
    for (const count of [1, 2, 3, 5, 20]) {
      const whole = wholeOperator(fullBatches);
      const shares = shareOut(whole, count);
      assert.ok(shares.length <= count && shares.length > 0);
      let [batch, sample] = [0, 0];
      for (const [i, { job, span }] of shares.entries()) {
        assert.equal(job.firstBatch, batch);
        const size = shares[0]?.span ?? 0;
        assert.ok(i === shares.length - 1 ? span <= size : span === size);
        assert.ok(i === 0 || (2 ** Math.round(Math.log2(size)) === size && batch % size === 0));
        let batches = 0;
        for (const { firstSample, samples, product } of job.parts) {
          assert.equal(firstSample, sample);
          sample += samples;
          batches += Math.ceil(samples / product.batch);
        }
        assert.equal(batches, span);
        batch += span;
      }
      assert.deepEqual([batch, sample], [fullBatches + 1, whole.samples]);
    }
  }
});

test('captured rows are counted with the batch, and leave memory for fewer shares', () => {
  const { job } = wholeOperator(7);
  assert.equal(capturedBytes(job.parts), 4 * 5 * 31);
  assert.equal(mostShares(wholeOperator(7)), 8);
  // A share takes 160 bytes for each of its vectors, products and at most 4 sums, and one to spare.
  assert.equal(mostShares(wholeOperator(7, 620 + 3 * 160 * 7)), 3);
  assert.equal(mostShares(wholeOperator(7, 0)), 1);
});
