// Overlaps of eigenspaces against dense algebra, and the laws that they obey.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { denseOverlap, randomFrame, vectorsOf } from '../testing/random-frames.js';
import { type Frame, frameCosines, squaredCosines } from './frame.js';
import { type KroneckerFrame, kroneckerCosines, type ProductVector } from './kronecker-frame.js';
import { overlapCurve } from './overlap-curve.js';

fc.configureGlobal({ seed: 20 });

const close = (actual: number, expected: number, what = '') =>
  assert.ok(Math.abs(actual - expected) < 1e-12, `${what} ${actual} is not ${expected}`);

const seed = fc.integer({ min: 0, max: 2 ** 31 });
const sizes = fc
  .integer({ min: 1, max: 9 })
  .chain((d) => fc.tuple(fc.integer({ min: 1, max: d }), fc.constant(d)));

/** The frame Q F of the same span, Q a random rotation of its vectors. */
function rotated(frame: Frame, by: number): Frame {
  const { count, dimension, values } = frame;
  const q = randomFrame(by, count, count).values;
  const turned = new Float64Array(count * dimension);
  for (let i = 0; i < count; i++)
    for (let j = 0; j < count; j++)
      for (let l = 0; l < dimension; l++)
        turned[i * dimension + l] =
          (turned[i * dimension + l] ?? 0) +
          (q[i * count + j] ?? 0) * (values[j * dimension + l] ?? 0);
  return { count, dimension, values: turned };
}

test('the curve is the definition at every k, within [0, 1], and symmetric', () => {
  fc.assert(
    fc.property(sizes, seed, seed, ([count, d], s, t) => {
      const [u, v] = [randomFrame(s, count, d), randomFrame(t, count, d)];
      const curve = overlapCurve(frameCosines(u, v), count);
      const back = overlapCurve(frameCosines(v, u), count);
      for (const [at, overlap] of curve.entries()) {
        close(overlap, denseOverlap(vectorsOf(u), vectorsOf(v), at + 1), `k = ${at + 1}:`);
        close(back[at] ?? -1, overlap);
        assert.ok(overlap >= 0 && overlap <= 1);
      }
      if (count === d) close(curve[d - 1] ?? 0, 1, 'the whole space:');
    }),
  );
});

test('it is 1 for equal subspaces, whatever frame they are given by', () => {
  fc.assert(
    fc.property(sizes, seed, seed, ([count, d], s, by) => {
      const u = randomFrame(s, count, d);
      for (const overlap of overlapCurve(frameCosines(u, u), count)) close(overlap, 1);
      close(overlapCurve(frameCosines(u, rotated(u, by)), count)[count - 1] ?? 0, 1);
    }),
  );
});

test('it does not depend on the frames within the subspaces', () => {
  fc.assert(
    fc.property(sizes, seed, seed, seed, ([count, d], s, t, by) => {
      const [u, v] = [randomFrame(s, count, d), randomFrame(t, count, d)];
      const last = (a: Frame, b: Frame) => overlapCurve(frameCosines(a, b), count)[count - 1] ?? -1;
      close(last(rotated(u, by), v), last(u, v));
      close(last(u, rotated(v, by)), last(u, v));
    }),
  );
});

test('orthogonal subspaces have overlap 0; random ones k/d on average', () => {
  const all = randomFrame(3, 8, 8).values;
  const half = (from: number): Frame => ({
    count: 4,
    dimension: 8,
    values: all.slice(from * 8, (from + 4) * 8),
  });
  for (const overlap of overlapCurve(frameCosines(half(0), half(4)), 4)) close(overlap, 0);
  let sum = 0;
  for (let s = 0; s < 400; s++)
    sum +=
      overlapCurve(frameCosines(randomFrame(s, 5, 20), randomFrame(s + 1000, 5, 20)), 5)[4] ?? 0;
  assert.ok(Math.abs(sum / 400 - 5 / 20) < 0.01, String(sum / 400));
});

test('frames of any count are multiplied, of different dimensions are not', () => {
  for (const count of [1, 3, 4, 5, 7]) {
    const [u, v] = [randomFrame(1, 2, 9), randomFrame(2, count, 9)];
    const squared = squaredCosines(u, v);
    const expected = vectorsOf(u).flatMap((a) =>
      vectorsOf(v).map((b) => denseOverlap([a], [b], 1)),
    );
    assert.equal(squared.length, 2 * count);
    for (const [at, value] of expected.entries()) close(squared[at] ?? -1, value);
  }
  assert.throws(
    () => squaredCosines(randomFrame(1, 1, 2), randomFrame(1, 1, 3)),
    /dimensions 2 and 3/,
  );
});

/** The product vectors of a Kronecker frame at full length: group by group, u_i v_j at i*n + j. */
function explicit({ blocks, vectors }: KroneckerFrame): Float64Array[] {
  const sizesOf = blocks.map(({ input, output }) => input.dimension * output.dimension);
  const total = sizesOf.reduce((sum, size) => sum + size, 0);
  return vectors.map(({ group, outputIndex, inputIndex }) => {
    const vector = new Float64Array(total);
    const block = blocks[group];
    if (block === undefined) throw new Error('no such group');
    const [u, v] = [vectorsOf(block.output)[outputIndex], vectorsOf(block.input)[inputIndex]];
    const start = sizesOf.slice(0, group).reduce((sum, size) => sum + size, 0);
    for (const [i, a] of (u ?? []).entries())
      for (const [j, b] of (v ?? []).entries()) vector[start + i * (v?.length ?? 0) + j] = a * b;
    return vector;
  });
}

test('Kronecker eigenvectors overlap as their products at full length do, groups included', () => {
  const kronecker = fc.record({
    groups: fc.integer({ min: 1, max: 3 }),
    m: fc.integer({ min: 1, max: 4 }),
    n: fc.integer({ min: 1, max: 4 }),
    s: seed,
    t: seed,
  });
  fc.assert(
    fc.property(kronecker, fc.infiniteStream(fc.nat(1000)), ({ groups, m, n, s, t }, picks) => {
      const every: ProductVector[] = [];
      for (let group = 0; group < groups; group++)
        for (let outputIndex = 0; outputIndex < m; outputIndex++)
          for (let inputIndex = 0; inputIndex < n; inputIndex++)
            every.push({ group, outputIndex, inputIndex });
      const frameOf = (base: number): KroneckerFrame => ({
        blocks: Array.from({ length: groups }, (_, g) => ({
          input: randomFrame(base + 2 * g, n, n),
          output: randomFrame(base + 2 * g + 1, m, m),
        })),
        vectors: every
          .map((vector) => ({ vector, key: picks.next().value ?? 0 }))
          .sort((a, b) => a.key - b.key)
          .map(({ vector }) => vector),
      });
      const [a, b] = [frameOf(s), frameOf(t)];
      const curve = overlapCurve(kroneckerCosines(a, b), every.length);
      for (const [at, overlap] of curve.entries())
        close(overlap, denseOverlap(explicit(a), explicit(b), at + 1), `k = ${at + 1}:`);
    }),
  );
});
