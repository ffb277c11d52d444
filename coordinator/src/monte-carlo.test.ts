// Monte-Carlo output Hessians: unbiased, seeded, and drawn per sample whatever the batch.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { decodeMatrixFile } from '@kronlens/proto';
import type { AnalysisOptions } from './plan/options.js';
import { analyse } from './testing/analyse.js';

const FIXTURES = join(dirname(fileURLToPath(import.meta.url)), '..', 'fixtures', 'factors');

async function outputFactor(
  t: TestContext,
  name: string,
  layer: string,
  options: Partial<AnalysisOptions>,
): Promise<Float64Array> {
  const { folder } = await analyse(
    t,
    { model: join(FIXTURES, name, 'model.onnx'), data: join(FIXTURES, name, 'data.npz') },
    { measures: ['factors'], ...options },
  );
  const bytes = await readFile(join(folder, 'factors', `${layer}.output.arrow`));
  return decodeMatrixFile(bytes).values;
}

function relativeError(got: Float64Array, expected: Float64Array): number {
  let [error, norm] = [0, 0];
  expected.forEach((value, index) => {
    error += ((got[index] ?? NaN) - value) ** 2;
    norm += value ** 2;
  });
  return Math.sqrt(error / norm);
}

for (const { name, layer, loss } of [
  { name: 'mlp', layer: 'fc1', loss: 'cross-entropy' },
  { name: 'multilabel', layer: 'fc1', loss: 'bce' },
  { name: 'regression', layer: 'fc1', loss: 'mse' },
] as const) {
  test(`${loss}: many draws come close to the exact output Hessian`, async (t) => {
    const exact = await outputFactor(t, name, layer, { loss });
    const draws = (mcSamples: number) =>
      outputFactor(t, name, layer, { loss, outputHessian: 'mc', mcSamples, seed: 1 });
    const [few, many] = [await draws(4), await draws(1024)];
    const [coarse, fine] = [relativeError(few, exact), relativeError(many, exact)];
    // The error falls like one over the root of the number of draws: here by 16.
    assert.ok(fine < 0.05, `1024 draws: relative error ${fine}`);
    assert.ok(fine < coarse / 4, `4 draws ${coarse}, 1024 draws ${fine}`);
  });
}

test('a draw depends on seed and sample, not on the batch or the shard', async (t) => {
  const draw = (seed: number, batch: number) =>
    outputFactor(t, 'lenet-small', 'conv1', { outputHessian: 'mc', seed, batch });
  const [small, large, other] = [await draw(1, 4), await draw(1, 16), await draw(2, 16)];
  assert.ok(relativeError(small, large) < 1e-6);
  assert.ok(relativeError(other, large) > 1e-3);
});
