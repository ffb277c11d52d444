// One narrow model of each family, by both exporters: PyTorch's names, its float64 gradients, finite factors.
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { analyse } from './testing/analyse.js';
import { checkZooModel, readZooEntry } from './testing/model-zoo.js';
import { ortEvaluator } from './testing/ort-evaluator.js';

const FIXTURES = join(dirname(fileURLToPath(import.meta.url)), '..', 'fixtures', 'zoo');
/** Of every parameter's gradient, in the Euclidean norm. */
const TOLERANCE = 1e-4;

for (const name of readdirSync(FIXTURES).sort()) {
  const entry = readZooEntry(join(FIXTURES, name));
  describe(`narrow ${name}`, () => {
    for (const { file, exporter, ...contents } of entry.models) {
      assert.ok(file !== undefined, `${name}: no file by the ${exporter} exporter`);
      it(`${file}: layers are called as in PyTorch, gradients are PyTorch's`, async () => {
        const { model, missing, unknown, unmatched, errors } = await checkZooModel(
          entry,
          { file, exporter, ...contents },
          ortEvaluator,
        );
        assert.deepEqual(
          { missing, unknown, unmatched },
          { missing: [], unknown: [], unmatched: [] },
        );
        assert.deepEqual(model.layers.skipped, []);
        const lost = (contents.absent ?? []).filter(
          (weight) => weight.includes('embeddings.') || weight.includes('wpe'),
        );
        const tables = model.notes.filter((note) => note.startsWith('the constant'));
        assert.equal(tables.length, lost.length, 'a note for each embedding that is lost');
        const apart = entry.parameters
          .map(({ name: parameter }) => parameter)
          .filter(
            (parameter) =>
              !/\.(weight|bias|in_proj_weight|in_proj_bias)(@folded)?$/.test(parameter),
          )
          .filter((parameter) => !contents.absent?.includes(parameter));
        const noted = /^part of no layer: (.*); --block/m.exec(model.notes.join('\n'))?.[1];
        assert.deepEqual(noted?.split(', ').sort() ?? [], apart.sort());
        for (const [parameter, error] of errors)
          assert.ok(error <= TOLERANCE, `${parameter}: the gradient is off by ${error}`);
        assert.ok(errors.size >= entry.layers.length - (contents.absent?.length ?? 0));
      });
    }

    it('all layers have finite factors', async (t) => {
      const [first] = entry.models;
      const { record } = await analyse(
        t,
        { model: join(entry.folder, first?.file ?? ''), data: join(entry.folder, 'data.npz') },
        { measures: ['factors'], outputHessian: 'mc', mcSamples: 2, batch: entry.samples },
      );
      assert.equal(record.status, 'finished');
      assert.ok(Math.abs((record.loss ?? Number.NaN) - entry.loss) <= 1e-5 * entry.loss);
    });
  });
}
