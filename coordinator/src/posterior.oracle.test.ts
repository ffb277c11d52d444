// The PAC-Bayes objective and its gradients against PyTorch's autograd in float64, in both bases.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import {
  DEFAULT_OPTIMISER,
  type PosteriorBench,
  posteriorBench,
  rotatedBases,
  single,
} from './testing/posterior-engine.js';

const FIXTURES = join(dirname(fileURLToPath(import.meta.url)), '..', 'fixtures');
const NAMES = [
  'mlp',
  'binary',
  'cnn-rich',
  'tokens',
  'tied-parallel',
  'conv-transpose',
  'bert-small',
];
const RHO = -2.5;

/** What scripts/make-posterior-fixtures.py stores of one basis. */
interface Oracle {
  readonly parameters: readonly string[];
  readonly loss: number;
  readonly wrong: number;
  readonly kl: number;
  readonly penalty: number;
  readonly rho: number;
  readonly mean: readonly (readonly number[])[];
  readonly log_std: readonly (readonly number[])[];
}

/** The state at the point of the oracle, and its prior. */
async function oraclePoint(bench: PosteriorBench): Promise<{ start: string; priorMean: string }> {
  const trained = await bench.trained();
  const state = trained.flatMap(({ name, shape, values }, index) => {
    const tensor = (prefix: string, value: (place: number) => number) => ({
      name: `${prefix}/${name}`,
      shape,
      symmetric: false,
      values: values.map((_, place) => value(place)),
    });
    return [
      tensor('mean', (place) => values[place] as number),
      tensor('log_std', (place) => Math.fround(-3 + 0.7 * Math.sin(0.7 * place + index))),
      tensor('mean_square', () => 0),
      tensor('log_std_square', () => 0),
    ];
  });
  const prior = trained.map(({ values, ...rest }) => ({
    ...rest,
    values: values.map((w, place) => 0.9 * w + 0.02 * Math.cos(1.3 * place)),
  }));
  return {
    start: await bench.bundle([
      ...state,
      single('rho', RHO),
      single('rho_square', 0),
      single('steps', 0),
    ]),
    priorMean: await bench.bundle(prior),
  };
}

/**
 * With alpha = 0 RMSprop keeps the squared gradients of its last step, and parameters move against
 * their signs: so a task of one step tells the gradients that it took.
 */
const TELLING = { ...DEFAULT_OPTIMISER, alpha: 0 };

function assertGradient(
  moved: Float64Array | undefined,
  square: Float64Array | undefined,
  from: (place: number) => number,
  expected: readonly number[],
  what: string,
): void {
  assert.equal(square?.length, expected.length, what);
  const scale = Math.max(...expected.map(Math.abs));
  expected.forEach((gradient, place) => {
    const sign = Math.sign(from(place) - (moved?.[place] ?? Number.NaN));
    const found = sign * Math.sqrt(square?.[place] ?? Number.NaN);
    assert.ok(
      Math.abs(found - gradient) <= 2e-5 * scale,
      `${what}[${place}] is ${found}, expected ${gradient}`,
    );
  });
}

for (const name of NAMES)
  for (const basis of ['standard', 'rotated'] as const)
    test(`${name}: objective and gradients with noise in the ${basis} basis`, async (t) => {
      const folder = join(FIXTURES, 'factors', name);
      const files = { model: join(folder, 'model.onnx'), data: join(folder, 'data.npz') };
      const oracle = (
        JSON.parse(readFileSync(join(FIXTURES, 'posterior', `${name}.json`), 'utf8')) as Record<
          typeof basis,
          Oracle
        >
      )[basis];
      const bench = await posteriorBench(t, files, 1000);
      assert.deepEqual(
        bench.parameters.map((parameter) => parameter.name),
        oracle.parameters,
      );
      const bases = basis === 'rotated' ? await rotatedBases(bench) : [];
      const point = await oraclePoint(bench);
      const { state, history } = await bench.run(bases, { ...point, optimiser: TELLING });
      const near = (found: number | undefined, expected: number, tolerance: number, what: string) =>
        assert.ok(
          Math.abs((found ?? Number.NaN) - expected) <= tolerance * Math.abs(expected),
          `${what} is ${found}, expected ${expected}`,
        );
      near(history.get('loss')?.values[0], oracle.loss, 1e-6, 'loss');
      assert.equal(
        Math.round((history.get('errors')?.values[0] ?? 0) * bench.samples),
        oracle.wrong,
      );
      near(state.get('rho_square')?.values[0], oracle.rho ** 2, 1e-6, 'squared gradient of rho');
      const trained = await bench.trained();
      oracle.parameters.forEach((parameter, index) => {
        const values = trained[index]?.values ?? new Float64Array();
        const get = (prefix: string) => state.get(`${prefix}/${parameter}`)?.values;
        assertGradient(
          get('mean'),
          get('mean_square'),
          (place) => values[place] as number,
          oracle.mean[index] ?? [],
          `gradient of the mean of ${parameter}`,
        );
        assertGradient(
          get('log_std'),
          get('log_std_square'),
          (place) => Math.fround(-3 + 0.7 * Math.sin(0.7 * place + index)),
          oracle.log_std[index] ?? [],
          `gradient of s of ${parameter}`,
        );
      });
    });
