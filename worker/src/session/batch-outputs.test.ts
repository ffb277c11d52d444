// Outputs batch by batch: packing, padding, and values that are not finite wherever they are.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { create, ElementType, ProgramOutputSchema, Reduction } from '@kronlens/proto';
import { BatchOutputs } from './batch-outputs.js';
import { NonFiniteOutputError } from './non-finite.js';
import { runtimeTensor } from './tensor-types.js';

function outputOf(shape: readonly number[], symmetric = false, reduction = Reduction.SUM) {
  const sizes = shape.map(BigInt);
  const what = { layer: 'conv1', kind: 'output' };
  return create(ProgramOutputSchema, { name: 'm', shape: sizes, symmetric, reduction, ...what });
}

const tensorsOf = (values: readonly number[], shape: readonly number[]) => ({
  m: runtimeTensor(ElementType.FLOAT32, Float32Array.from(values), shape),
});

test('symmetric outputs are added as their upper triangle', () => {
  const outputs = new BatchOutputs([outputOf([3, 3], true)], 0);
  outputs.take(tensorsOf([1, 2, 3, -1, 4, 5, -1, -1, 6], [3, 3]), 0, 8);
  outputs.take(tensorsOf([10, 20, 30, -1, 40, 50, -1, -1, 60], [3, 3]), 8, 8);
  assert.deepEqual(outputs.finish(), [
    { name: 'm', shape: [3, 3], symmetric: true, values: Float64Array.of(11, 22, 33, 44, 55, 66) },
  ]);
});

test('sums are in float64', () => {
  const outputs = new BatchOutputs([outputOf([1])], 0);
  for (const value of [2 ** 24, 1]) outputs.take(tensorsOf([value], [1]), 0, 1);
  assert.deepEqual(outputs.finish()[0]?.values, Float64Array.of(2 ** 24 + 1));
});

test('rows of padding are left out, whatever they hold', () => {
  const outputs = new BatchOutputs([outputOf([3, 2], false, Reduction.PER_SAMPLE)], 0);
  outputs.take(tensorsOf([1, 2, 3, 4, 5, 6], [3, 2]), 0, 3);
  outputs.take(tensorsOf([7, 8, Number.NaN, 0, 0, 0], [3, 2]), 3, 1);
  assert.deepEqual(outputs.finish(), [
    { name: 'm', shape: [4, 2], symmetric: false, values: Float64Array.of(1, 2, 3, 4, 5, 6, 7, 8) },
  ]);
});

test('a value that is not finite is found at any place', () => {
  for (const length of [1, 3, 4, 5, 11]) {
    for (let at = 0; at < length; at++) {
      for (const [bad, says] of [
        [Number.NaN, /^NaN in the output Hessian of layer 'conv1' for samples 128 to 255: /],
        [Number.NEGATIVE_INFINITY, /^infinity in the output Hessian of layer 'conv1'/],
      ] as const) {
        const values = Array.from({ length }, (_, i) => (i === at ? bad : 3e38));
        const outputs = new BatchOutputs([outputOf([length])], 0);
        assert.throws(
          () => outputs.take(tensorsOf(values, [length]), 128, 128),
          (error) => error instanceof NonFiniteOutputError && says.test(error.message),
        );
      }
    }
  }
});
