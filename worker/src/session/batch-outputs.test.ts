// Outputs batch by batch: packing, padding, and values that are not finite wherever they are.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  create,
  decodeBundle,
  ElementType,
  type ProgramOutput,
  ProgramOutputSchema,
  Reduction,
} from '@kronlens/proto';
import { BatchOutputs, outputLayout, type SpareSums } from './batch-outputs.js';
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

function outputsOf(output: ProgramOutput, samples: number, firstBatch = 0, spares?: SpareSums) {
  return new BatchOutputs([output], firstBatch, outputLayout([output], samples), spares);
}

const finished = (outputs: BatchOutputs) => [...decodeBundle(outputs.finish()).values()];

test('symmetric outputs are added as their upper triangle', () => {
  const outputs = outputsOf(outputOf([3, 3], true), 16);
  outputs.take(tensorsOf([1, 2, 3, -1, 4, 5, -1, -1, 6], [3, 3]), 0, 8);
  outputs.take(tensorsOf([10, 20, 30, -1, 40, 50, -1, -1, 60], [3, 3]), 8, 8);
  assert.deepEqual(finished(outputs), [
    { name: 'm', shape: [3, 3], symmetric: true, values: Float64Array.of(11, 22, 33, 44, 55, 66) },
  ]);
});

test('sums are in float64', () => {
  const outputs = outputsOf(outputOf([1]), 2);
  for (const value of [2 ** 24, 1]) outputs.take(tensorsOf([value], [1]), 0, 1);
  assert.deepEqual(finished(outputs)[0]?.values, Float64Array.of(2 ** 24 + 1));
});

test('rows of padding are left out, whatever they hold', () => {
  const outputs = outputsOf(outputOf([3, 2], false, Reduction.PER_SAMPLE), 4);
  outputs.take(tensorsOf([1, 2, 3, 4, 5, 6], [3, 2]), 0, 3);
  outputs.take(tensorsOf([7, 8, Number.NaN, 0, 0, 0], [3, 2]), 3, 1);
  assert.deepEqual(finished(outputs), [
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
        const outputs = outputsOf(outputOf([length]), 1);
        assert.throws(
          () => outputs.take(tensorsOf(values, [length]), 128, 128),
          (error) => error instanceof NonFiniteOutputError && says.test(error.message),
        );
      }
    }
  }
});

test('memory of earlier tasks is used again and leaves no trace', () => {
  const output = outputOf([2, 2], true);
  const spares: SpareSums = new Map();
  const sumsOf = (scale: number, memory?: SpareSums) => {
    const outputs = outputsOf(output, 7, 1, memory);
    for (let batch = 0; batch < 7; batch++) {
      const values = [0.1, 0.2 * batch, 9, 0.3].map((value) => value * scale);
      outputs.take(tensorsOf(values, [2, 2]), batch, 1);
    }
    return finished(outputs);
  };
  const fresh = [1, 7].map((scale) => sumsOf(scale));
  assert.deepEqual(
    [1, 7].map((scale) => sumsOf(scale, spares)),
    fresh,
  );
  assert.ok((spares.get('m')?.length ?? 0) > 0);
});
