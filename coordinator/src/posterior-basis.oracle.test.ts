// The bases of iter-m: eigenvectors of the surrogates that PyTorch makes of the weights at the same mean.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { decodeBundle, type ParameterBasis } from '@kronlens/proto';
import { findBases } from './plan/bound/basis-stage.js';
import { withParameters } from './programs/index.js';
import { posteriorBench } from './testing/posterior-engine.js';

const FIXTURES = join(dirname(fileURLToPath(import.meta.url)), '..', 'fixtures');

/** What scripts/make-posterior-fixtures.py stores: M~ by layer, row by row. */
interface Oracle {
  readonly surrogates: Readonly<Record<string, readonly number[]>>;
}

for (const name of ['mlp', 'binary'])
  test(`${name}: with iter-m the output bases are those of the surrogates at the mean`, async (t) => {
    const folder = join(FIXTURES, 'factors', name);
    const files = { model: join(folder, 'model.onnx'), data: join(folder, 'data.npz') };
    const stored = readFileSync(join(FIXTURES, 'posterior', `${name}.json`), 'utf8');
    const { surrogates } = JSON.parse(stored) as Oracle;
    const bench = await posteriorBench(t, files, 8);
    const { engine, parameters } = bench;
    const moved = (await bench.trained()).map(({ name: parameter, values }) => {
      const at = values.map((w, place) => Math.fround(0.9 * w + 0.02 * Math.cos(1.3 * place)));
      return [parameter, at] as const;
    });
    const model = withParameters(bench.model, parameters, new Map(moved));
    const find = (operator: 'exact' | 'surrogate') =>
      findBases(engine, bench, model, { operator, memoryBytes: 2 ** 30 }, () => {});
    const [exact, surrogate] = [await find('exact'), await find('surrogate')];
    const eigen = async (id: string | undefined) => {
      const bundle = decodeBundle(await engine.store.get(id ?? ''));
      const tensor = (key: string) => bundle.get(key)?.values ?? new Float64Array();
      return { values: tensor('eigenvalues'), vectors: tensor('eigenvectors') };
    };
    const groupOf = (bases: readonly ParameterBasis[], parameter: string) =>
      bases.find((basis) => basis.parameter === parameter)?.groups[0];
    assert.deepEqual(
      Object.keys(surrogates).sort(),
      parameters.flatMap(({ part, layer }) => (part === 'weight' ? [layer?.name] : [])).sort(),
    );
    for (const [layer, expected] of Object.entries(surrogates)) {
      const weight = groupOf(surrogate, `${layer}.weight`);
      const { values, vectors } = await eigen(weight?.output);
      const m = values.length;
      assert.equal(expected.length, m * m);
      const scale = Math.max(...expected.map(Math.abs));
      expected.forEach((wanted, at) => {
        const [i, j] = [Math.floor(at / m), at % m];
        const found = values.reduce(
          (sum, value, k) =>
            sum + value * (vectors[k * m + i] as number) * (vectors[k * m + j] as number),
          0,
        );
        assert.ok(
          Math.abs(found - wanted) <= 1e-5 * scale,
          `${layer} [${i}, ${j}]: ${found}, ${wanted}`,
        );
      });
      assert.equal(groupOf(surrogate, `${layer}.bias`)?.output, weight?.output);
      // V is that of E[x x^T] as ever.
      assert.equal(weight?.input, groupOf(exact, `${layer}.weight`)?.input);
    }
  });
