// Noise of samples: its distribution, and what it depends on.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SampleNoise } from './sample-noise.js';

/** Moments 1 to 4 of the values. */
function moments(values: Float32Array): number[] {
  return [1, 2, 3, 4].map(
    (power) => values.reduce((sum, value) => sum + value ** power, 0) / values.length,
  );
}

test('uniforms lie in [0, 1) and have the moments of the uniform distribution', () => {
  const noise = new SampleNoise(7n);
  const values = new Float32Array(200_000);
  noise.uniforms(3, 0, values);
  assert.ok(values.every((value) => value >= 0 && value < 1));
  // Standard errors are below 1 / sqrt(200000) = 0.0022.
  for (const [i, moment] of moments(values).entries()) {
    assert.ok(Math.abs(moment - 1 / (i + 2)) < 0.005, `moment ${i + 1} is ${moment}`);
  }
});

test('normals have the moments of the normal distribution', () => {
  const noise = new SampleNoise(7n);
  const values = new Float32Array(400_000);
  noise.normals(3, 0, values);
  assert.ok(values.every(Number.isFinite));
  const expected = [0, 1, 0, 3];
  // Five standard errors: the variances of the powers are 1, 2, 15, 96.
  const spread = [1, 2, 15, 96].map((variance) => 5 * Math.sqrt(variance / values.length));
  for (const [i, moment] of moments(values).entries()) {
    assert.ok(Math.abs(moment - (expected[i] ?? 0)) < (spread[i] ?? 0), `${i + 1}: ${moment}`);
  }
});

test('a value depends on seed, sample, draw and place, and on nothing else', () => {
  const draw = (seed: bigint, sample: number, s: number, length = 6) => {
    const [u, n] = [new Float32Array(length), new Float32Array(length)];
    const noise = new SampleNoise(seed);
    noise.uniforms(sample, s, u);
    noise.normals(sample, s, n);
    return [...u, ...n];
  };
  const base = draw(5n, 10, 1);
  assert.deepEqual(draw(5n, 10, 1), base);
  // A longer row begins with the shorter one.
  assert.deepEqual(draw(5n, 10, 1, 11).slice(0, 6), base.slice(0, 6));
  assert.deepEqual(draw(5n, 10, 1, 11).slice(11, 17), base.slice(6));
  for (const other of [
    draw(6n, 10, 1),
    draw(5n + 2n ** 32n, 10, 1),
    draw(5n, 11, 1),
    draw(5n, 10 + 2 ** 32, 1),
    draw(5n, 10, 2),
  ]) {
    for (const [i, value] of other.entries()) assert.notEqual(value, base[i]);
  }
});
