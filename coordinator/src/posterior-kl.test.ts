// KL does not depend on the basis: from deviations in Kronecker eigenbases it is that of the dense covariances of the weights.
import assert from 'node:assert/strict';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { decodeBundle } from '@kronlens/proto';
import { gaussianKl } from './bound/index.js';
import { findBases } from './plan/bound/basis-stage.js';
import { posteriorParts } from './plan/bound/posterior-parts.js';
import { posteriorBench } from './testing/posterior-engine.js';

const FIXTURES = join(dirname(fileURLToPath(import.meta.url)), '..', 'fixtures', 'factors');
const LOG_LAMBDA = -5.3;

/** R diag(variances) R^T. @param columns those of R */
function covariance(columns: readonly Float64Array[], variances: Float64Array): number[][] {
  const size = variances.length;
  return Array.from({ length: size }, (_, i) =>
    Array.from({ length: size }, (_, j) =>
      columns.reduce(
        (sum, column, a) => sum + (variances[a] ?? 0) * (column[i] ?? 0) * (column[j] ?? 0),
        0,
      ),
    ),
  );
}

/** log det of a positive definite matrix, by Cholesky's factor. */
function logDeterminant(matrix: readonly (readonly number[])[]): number {
  const factor: number[][] = [];
  let sum = 0;
  for (const [i, row] of matrix.entries()) {
    const own: number[] = [];
    for (let j = 0; j <= i; j++) {
      const above = j === i ? own : (factor[j] ?? []);
      const rest = own.reduce((left, value, k) => left - value * (above[k] ?? 0), row[j] ?? 0);
      own.push(j === i ? Math.sqrt(rest) : rest / (above[j] ?? 0));
    }
    factor.push(own);
    sum += 2 * Math.log(own[i] ?? Number.NaN);
  }
  return sum;
}

/** KL(N(w, C) || N(theta, lambda I)). */
function denseKl(
  matrix: readonly (readonly number[])[],
  mean: Float64Array,
  centre: Float64Array,
): number {
  const size = mean.length;
  const trace = matrix.reduce((sum, row, i) => sum + (row[i] ?? 0), 0);
  const distance = mean.reduce((sum, w, i) => sum + (w - (centre[i] ?? 0)) ** 2, 0);
  const log = size * LOG_LAMBDA - logDeterminant(matrix);
  return 0.5 * ((trace + distance) / Math.exp(LOG_LAMBDA) - size + log);
}

for (const name of ['mlp', 'bert-small'])
  test(`${name}: KL in Kronecker eigenbases is that of dense covariances in the standard one`, async (t) => {
    const folder = join(FIXTURES, name);
    const files = { model: join(folder, 'model.onnx'), data: join(folder, 'data.npz') };
    const bench = await posteriorBench(t, files, 8);
    const { engine, parameters } = bench;
    const basisOptions = { operator: 'exact', memoryBytes: 2 ** 30 } as const;
    const bases = await findBases(engine, bench, bench.model, basisOptions, () => {});
    const { state } = await bench.run(bases, { lastEpoch: 4n, firstScale: 0.3 });
    const prior = (await bench.trained()).map(({ values, ...rest }) => ({
      ...rest,
      values: values.map((w, place) => 0.9 * w + 0.02 * Math.cos(1.3 * place)),
    }));
    const { parts } = posteriorParts(state, parameters, prior);
    const vectors = async (id: string | undefined, size: number) => {
      if (id === undefined || id === '') return (a: number, i: number) => Number(a === i);
      const found = decodeBundle(await engine.store.get(id)).get('eigenvectors')?.values;
      return (a: number, i: number) => found?.[a * size + i] ?? Number.NaN;
    };
    for (const [index, { parameter, mean, logDeviations, sums }] of parts.entries()) {
      const group = bases.find((basis) => basis.parameter === parameter)?.groups[0];
      const m = group === undefined ? 1 : (parameters[index]?.layer?.outDim ?? 1);
      const n = mean.length / m;
      const [u, v] = [await vectors(group?.output, m), await vectors(group?.input, n)];
      const columns = Array.from({ length: mean.length }, (_, a) =>
        Float64Array.from(
          mean,
          (_, i) => u(Math.floor(a / n), Math.floor(i / n)) * v(a % n, i % n),
        ),
      );
      const variances = logDeviations.map((s) => Math.exp(2 * s));
      const centre = prior[index]?.values ?? new Float64Array();
      const dense = denseKl(covariance(columns, variances), mean, centre);
      const found = gaussianKl(sums, LOG_LAMBDA);
      assert.ok(Math.abs(found - dense) <= 1e-10 * dense, `${parameter}: ${found}, ${dense}`);
    }
  });
