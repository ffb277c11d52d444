// Seeded orthonormal frames for tests.
import type { Frame } from '../compare/frame.js';

/** Uniform numbers in [0, 1), the same for the same seed (mulberry32). */
export function uniforms(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** `count` orthonormal vectors of a random direction in `dimension` dimensions. */
export function randomFrame(seed: number, count: number, dimension: number): Frame {
  const next = uniforms(seed);
  const values = new Float64Array(count * dimension);
  for (let i = 0; i < count; i++) {
    const row = values.subarray(i * dimension, (i + 1) * dimension);
    for (let l = 0; l < dimension; l++) row[l] = next() - 0.5;
    // Twice is enough for orthogonality to rounding.
    for (const _ of [0, 1]) {
      for (let j = 0; j < i; j++) {
        const earlier = values.subarray(j * dimension, (j + 1) * dimension);
        const along = dot(row, earlier);
        for (let l = 0; l < dimension; l++) row[l] = (row[l] ?? 0) - along * (earlier[l] ?? 0);
      }
      const length = Math.sqrt(dot(row, row));
      for (let l = 0; l < dimension; l++) row[l] = (row[l] ?? 0) / length;
    }
  }
  return { count, dimension, values };
}

/** The vectors of a frame, each on its own. */
export function vectorsOf({ count, dimension, values }: Frame): readonly Float64Array[] {
  return Array.from({ length: count }, (_, i) => values.slice(i * dimension, (i + 1) * dimension));
}

export function dot(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += (a[i] ?? 0) * (b[i] ?? 0);
  return sum;
}

/** ||U^T V||_F^2 / k straight from the definition. */
export function denseOverlap(
  u: readonly ArrayLike<number>[],
  v: readonly ArrayLike<number>[],
  k: number,
): number {
  let sum = 0;
  for (const a of u.slice(0, k)) for (const b of v.slice(0, k)) sum += dot(a, b) ** 2;
  return sum / k;
}
