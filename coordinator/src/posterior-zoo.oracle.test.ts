// What posteriors are over, family by family: all parameters that PyTorch has, with its float64 gradients.
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { isEmbedding } from './layers/index.js';
import type { Parameter } from './programs/index.js';
import { fileGradients, readZooEntry } from './testing/model-zoo.js';
import {
  DEFAULT_OPTIMISER,
  type PosteriorBench,
  posteriorBench,
  single,
} from './testing/posterior-engine.js';

const FIXTURES = join(dirname(fileURLToPath(import.meta.url)), '..', 'fixtures', 'zoo');
/** Families with logits for every token, which a bound is not about. */
const PER_TOKEN = ['gpt2', 'sliced-positions'];
/** Without the untrained network it is by their name or place that parameters are told from constants. */
const NAMED = /\.(weight|bias|in_proj_weight|in_proj_bias)$/;
/** Of every parameter's gradient, in the Euclidean norm. */
const TOLERANCE = 1e-4;
/** Gradients of less than this share of the largest one are rounding. */
const ZERO = 1e-5;

/** Gradients of the plain loss by parameter, as the squares that RMSprop keeps of one step without noise and pull. */
async function gradients(bench: PosteriorBench): Promise<ReadonlyMap<string, Float64Array>> {
  const trained = await bench.trained();
  const tensors = trained.flatMap((tensor) => [
    { ...tensor, name: `mean/${tensor.name}` },
    ...['log_std', 'mean_square', 'log_std_square'].map((kind) => ({
      ...tensor,
      name: `${kind}/${tensor.name}`,
      values: tensor.values.map(() => (kind === 'log_std' ? -80 : 0)),
    })),
  ]);
  const scalars = [single('rho', -3), single('rho_square', 0), single('steps', 0)];
  const { state } = await bench.run([], {
    start: await bench.bundle([...tensors, ...scalars]),
    priorMean: await bench.bundle(trained),
    optimiser: { ...DEFAULT_OPTIMISER, alpha: 0 },
  });
  return new Map(
    trained.map(({ name, values }) => {
      const squares = state.get(`mean_square/${name}`)?.values ?? new Float64Array();
      const moved = state.get(`mean/${name}`)?.values ?? new Float64Array();
      const signed = values.map(
        (w, i) => Math.sign(w - (moved[i] ?? Number.NaN)) * Math.sqrt(squares[i] ?? Number.NaN),
      );
      return [name, signed] as const;
    }),
  );
}

const norm = (values: ArrayLike<number>) => Math.hypot(...Array.from(values));

/** An embedding lies in the file with its rows apart, as PyTorch has it; the parameter has them as columns. */
function asInPyTorch(values: Float64Array, { part, layer }: Parameter): Float64Array {
  if (part !== 'weight' || layer === undefined || !isEmbedding(layer)) return values;
  const { outDim: m, inDim: n } = layer;
  return values.map((_, place) => values[(place % m) * n + Math.floor(place / m)] ?? Number.NaN);
}

for (const family of readdirSync(FIXTURES).sort()) {
  const entry = readZooEntry(join(FIXTURES, family));
  if (PER_TOKEN.includes(family)) continue;
  for (const { file = '', absent = [], gone = [], ...contents } of entry.models)
    test(`${family}, ${file}: parameters and gradients are PyTorch's`, async (t) => {
      const files = { model: join(entry.folder, file), data: join(entry.folder, 'data.npz') };
      const bench = await posteriorBench(t, files, entry.samples);
      const own = await gradients(bench);
      const wanted = fileGradients(entry, contents);
      const weights = new Map(entry.layers.map(({ name, weight }) => [`${name}.weight`, weight]));
      const largest = Math.max(...[...own.values()].map(norm));
      const found = new Set<string>();
      for (const parameter of bench.parameters) {
        const { name } = parameter;
        const known = [weights.get(name), name, name.replace(/bias$/, 'in_proj_bias')];
        const called = known.find((each) => each !== undefined && wanted(each) !== undefined);
        assert.ok(called !== undefined, `'${name}' is no parameter of PyTorch's`);
        found.add(called);
        const expected = wanted(called) ?? new Float32Array();
        const gradient = asInPyTorch(own.get(name) ?? new Float64Array(), parameter);
        assert.equal(gradient.length, expected.length, name);
        const error = norm(expected.map((value, i) => value - (gradient[i] ?? Number.NaN)));
        const scale = Math.max(norm(expected), ZERO * largest);
        assert.ok(error <= TOLERANCE * scale, `${name}: the gradient is off by ${error / scale}`);
      }
      const lost = [...absent, ...gone.flatMap((name) => [`${name}.weight`, `${name}.bias`])];
      const missing = entry.parameters
        .map(({ name }) => name)
        .filter((name) => NAMED.test(name) && !lost.includes(name) && !found.has(name));
      assert.deepEqual(missing, []);
    });
}
