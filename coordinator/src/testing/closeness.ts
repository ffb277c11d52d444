// How far apart two tensors are.
import assert from 'node:assert/strict';
import type { Tensor } from '../graph/graph.js';
import { tensorNumbers } from '../graph/tensor.js';

/**
 * Asserts equal types and shapes, and elements that differ by at most `tolerance` times the
 * largest expected magnitude (or times 1, where that is smaller).
 */
export function assertClose(
  actual: Tensor | undefined,
  expected: Tensor | undefined,
  tolerance: number,
  what: string,
): void {
  assert.ok(actual !== undefined && expected !== undefined, `${what} is missing`);
  assert.deepEqual(
    [actual.dtype, [...actual.shape]],
    [expected.dtype, [...expected.shape]],
    `type of ${what}`,
  );
  const [got, wanted] = [tensorNumbers(actual), tensorNumbers(expected)];
  const scale = Math.max(1, ...wanted.map(Math.abs).filter(Number.isFinite));
  wanted.forEach((value, index) => {
    const other = got[index] ?? Number.NaN;
    const near = Object.is(value, other) || Math.abs(value - other) <= tolerance * scale;
    assert.ok(near, `${what}[${index}] is ${other}, expected ${value}`);
  });
}
