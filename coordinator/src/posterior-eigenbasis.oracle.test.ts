// Bases of posteriors: eigenvectors of PyTorch's factors, in the order of the weight's matrix, and deviations that begin there.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { decodeBundle } from '@kronlens/proto';
import { isEmbedding } from './layers/index.js';
import { findBases } from './plan/bound/basis-stage.js';
import { DEFAULT_OPTIMISER, posteriorBench } from './testing/posterior-engine.js';

const FIXTURES = join(dirname(fileURLToPath(import.meta.url)), '..', 'fixtures', 'factors');

interface StoredArray {
  readonly shape: readonly number[];
  readonly float64: string;
}

/** What scripts/make-factor-fixtures.py and make-token-fixtures.py store, as far as it is needed. */
interface Oracle {
  readonly variants: readonly {
    readonly factors: readonly {
      readonly layer: string;
      readonly group: number;
      readonly input?: StoredArray;
      readonly output?: StoredArray;
    }[];
  }[];
}

function numbers({ float64 }: StoredArray): Float64Array {
  const bytes = Buffer.from(float64, 'base64');
  return new Float64Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length));
}

const at = (matrix: Float64Array, size: number, row: number, column: number) =>
  matrix[row * size + column] ?? Number.NaN;

/** Whether rows v_k with eigenvalues l_k give the matrix back: sum_k l_k v_k v_k^T. */
function assertEigenvectors(
  values: Float64Array,
  vectors: Float64Array,
  expected: Float64Array,
  what: string,
): void {
  const size = values.length;
  assert.equal(expected.length, size * size, what);
  const scale = Math.max(...expected.map(Math.abs));
  for (let i = 0; i < size; i++)
    for (let j = 0; j < size; j++) {
      const found = values.reduce(
        (sum, value, k) => sum + value * at(vectors, size, k, i) * at(vectors, size, k, j),
        0,
      );
      const wanted = at(expected, size, i, j);
      assert.ok(
        Math.abs(found - wanted) <= 1e-5 * scale,
        `${what} [${i}, ${j}]: ${found}, ${wanted}`,
      );
    }
}

for (const name of ['cnn-rich', 'bert-small'])
  test(`${name}: bases are eigenvectors of PyTorch's factors, and deviations begin in them`, async (t) => {
    const folder = join(FIXTURES, name);
    const files = { model: join(folder, 'model.onnx'), data: join(folder, 'data.npz') };
    const oracle = JSON.parse(readFileSync(join(folder, 'oracle.json'), 'utf8')) as Oracle;
    const bench = await posteriorBench(t, files, 8);
    const { engine, parameters } = bench;
    const bases = await findBases(
      engine,
      bench,
      bench.model,
      { operator: 'exact', memoryBytes: 2 ** 30 },
      () => {},
    );
    const eigen = async (id: string) => {
      const bundle = decodeBundle(await engine.store.get(id));
      const tensor = (key: string) => bundle.get(key)?.values ?? new Float64Array();
      return { values: tensor('eigenvalues'), vectors: tensor('eigenvectors') };
    };
    const optimiser = { ...DEFAULT_OPTIMISER, learningRate: 0 };
    const { state } = await bench.run(bases, { optimiser });
    const trained = new Map((await bench.trained()).map((tensor) => [tensor.name, tensor.values]));
    for (const { parameter, groups } of bases) {
      const { part, layer } = parameters.find((each) => each.name === parameter) ?? {};
      assert.ok(layer !== undefined);
      const own = trained.get(parameter) ?? new Float64Array();
      const logStd = state.get(`log_std/${parameter}`)?.values ?? new Float64Array();
      const each = own.length / groups.length;
      for (const [group, { output, input }] of groups.entries()) {
        const factors = oracle.variants[0]?.factors.find(
          (factor) => factor.layer === layer.name && factor.group === group,
        );
        const u = await eigen(output);
        if (factors?.output !== undefined)
          assertEigenvectors(u.values, u.vectors, numbers(factors.output), `U of ${layer.name}`);
        assert.equal(input === '', part === 'bias' || isEmbedding(layer), parameter);
        const v = input === '' ? undefined : await eigen(input);
        if (v !== undefined) {
          assert.ok(factors?.input);
          assertEigenvectors(v.values, v.vectors, numbers(factors.input), `V of ${layer.name}`);
        }
        const [m, n] = [u.values.length, each / u.values.length];
        const weight = own.subarray(group * each, (group + 1) * each);
        const rootMeanSquare = Math.hypot(...weight) / Math.sqrt(each);
        for (let a = 0; a < m; a++)
          for (let b = 0; b < n; b++) {
            let turned = 0;
            for (let i = 0; i < m; i++)
              for (let j = 0; j < n; j++) {
                const right = v === undefined ? Number(b === j) : at(v.vectors, n, b, j);
                turned += at(u.vectors, m, a, i) * at(weight, n, i, j) * right;
              }
            const deviation = Math.exp(logStd[group * each + a * n + b] ?? Number.NaN);
            assert.ok(
              Math.abs(deviation - Math.abs(turned)) <= 1e-5 * rootMeanSquare,
              `${parameter} [${a}, ${b}]: ${deviation}, ${turned}`,
            );
          }
      }
    }
  });
