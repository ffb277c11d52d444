// Drawn output Hessians converge to the exact ones: labels (mc) and sketches, for tokens and for single rows.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { decodeMatrixFile } from '@kronlens/proto';
import type { AnalysisOptions } from './plan/options.js';
import { analyse } from './testing/analyse.js';

const FIXTURES = join(dirname(fileURLToPath(import.meta.url)), '..', 'fixtures', 'factors');
/** Draws a sample: sixteen times as many leave a quarter of the error. */
const [FEW, MANY] = [64, 1024];

/** E[M] of one layer. */
async function outputFactor(
  t: TestContext,
  name: string,
  layer: string,
  options: Partial<AnalysisOptions>,
): Promise<Float64Array> {
  const folder = join(FIXTURES, name);
  const execution = { model: join(folder, 'model.onnx'), data: join(folder, 'data.npz') };
  const all = { measures: ['factors'], layers: [layer], batch: 8, ...options } as const;
  const outcome = await analyse(t, execution, all);
  const path = join(outcome.folder, 'factors', `${layer}.output.arrow`);
  return decodeMatrixFile(await readFile(path)).values;
}

function distance(a: Float64Array, b: Float64Array): number {
  const square = (values: Float64Array) => values.reduce((sum, value) => sum + value * value, 0);
  return Math.sqrt(square(a.map((value, at) => value - (b[at] ?? NaN))) / square(b));
}

for (const [name, layer, loss] of [
  ['gpt2-small', 'model.transformer.h.0.attn.c_attn', 'cross-entropy'],
  ['bert-small', 'model.bert.encoder.layer.0.intermediate.dense', 'cross-entropy'],
  ['multilabel', 'fc1', 'bce'],
  ['regression', 'fc1', 'mse'],
] as const) {
  describe(`drawn output Hessians of ${name}`, () => {
    for (const outputHessian of ['mc', 'sketch'] as const) {
      it(outputHessian, async (t) => {
        const exact = await outputFactor(t, name, layer, { loss });
        const error = async (mcSamples: number) =>
          distance(
            await outputFactor(t, name, layer, { loss, outputHessian, mcSamples, seed: 3 }),
            exact,
          );
        const [few, many] = [await error(FEW), await error(MANY)];
        // The standard error of both estimates is below 1 / sqrt(draws) of the norm: 3 of them.
        assert.ok(few < 3 / Math.sqrt(FEW), `${FEW} draws: relative error ${few}`);
        assert.ok(many < 3 / Math.sqrt(MANY), `${MANY} draws: relative error ${many}`);
        assert.ok(many < few / 2, `error ${few} of ${FEW} draws, ${many} of ${MANY}`);
      });
    }
  });
}
