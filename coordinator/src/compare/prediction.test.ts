// The predicted overlap of two models, against the overlap that product vectors then really have.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { dot, randomFrame } from '../testing/random-frames.js';
import { type KroneckerFrame, kroneckerCosines } from './kronecker-frame.js';
import { overlapCurve } from './overlap-curve.js';
import {
  conditionHolds,
  type PredictionBlock,
  predictedHeight,
  predictedOverlap,
  predictedPeak,
} from './prediction.js';

const block = (
  input: number[],
  output: number[],
  topInput = Float64Array.of(1, 0),
): PredictionBlock => ({
  input,
  output,
  topInput,
});

test('the peak is at the output dimension, over all groups', () => {
  assert.equal(predictedPeak({ out_dim: 120, groups: 1 }), 120);
  assert.equal(predictedPeak({ out_dim: 8, groups: 4 }), 32);
});

test('the condition compares the smallest kept product with the largest excluded one', () => {
  assert.equal(conditionHolds([block([10, 1], [3, 2])]), true);
  assert.equal(conditionHolds([block([10, 7], [3, 2])]), false);
  assert.equal(conditionHolds([block([10, 1], [3, 0])]), false);
  assert.equal(conditionHolds([block([10], [3, 2])]), true);
  assert.equal(conditionHolds([]), false);
  // 2 * 10 > 1 * 3 in one group, 8 * 4 > 2 * 12 in the other; but 20 < 24.
  assert.equal(conditionHolds([block([10, 1], [3, 2]), block([8, 2], [12, 4])]), false);
  assert.equal(conditionHolds([block([10, 1], [3, 2]), block([8, 1], [12, 4])]), true);
});

test('the height is the squared cosine of the top input directions, the mean over groups', () => {
  const turned = Float64Array.of(Math.cos(1), Math.sin(1));
  const [a, b] = [block([1], [1]), block([1], [1], turned)];
  const height = predictedHeight([a], [b]) ?? Number.NaN;
  assert.ok(Math.abs(height - Math.cos(1) ** 2) < 1e-15);
  assert.equal(predictedHeight([a, a], [b, a]), (height + 1) / 2);
  assert.equal(predictedHeight([a], [block([0, 0], [1])]), null);
  assert.equal(predictedHeight([], []), null);
});

test('the overlap rises linearly to the peak; beyond it nothing is said', () => {
  assert.deepEqual(
    [1, 2, 4, 5].map((k) => predictedOverlap(k, 4, 0.6)),
    [0.15, 0.3, 0.6, null],
  );
});

test('where the top m eigenvectors are u_i (x) t1, the overlap at m is the predicted one', () => {
  const [m, n] = [6, 9];
  const frameOf = (seed: number): KroneckerFrame => ({
    blocks: [{ input: randomFrame(seed, n, n), output: randomFrame(seed + 1, m, m) }],
    vectors: Array.from({ length: m }, (_, outputIndex) => ({
      group: 0,
      outputIndex,
      inputIndex: 0,
    })),
  });
  const top = ({ blocks }: KroneckerFrame) => blocks[0]?.input.values.subarray(0, n) ?? [];
  let drift = 0;
  for (let seed = 0; seed < 200; seed++) {
    const [a, b] = [frameOf(seed), frameOf(seed + 1000)];
    const height = dot(top(a), top(b)) ** 2;
    const curve = overlapCurve(kroneckerCosines(a, b), m);
    assert.ok(Math.abs((curve[m - 1] ?? 0) - height) < 1e-12);
    drift += (curve[2] ?? 0) - (predictedOverlap(3, m, height) ?? 0);
  }
  assert.ok(Math.abs(drift / 200) < 0.01, 'on average linear below the peak');
});
