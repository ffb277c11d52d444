// Laws of posterior tasks: no noise is the plain loss, epochs may be cut anywhere, draws too; what goes wrong is named.
import assert from 'node:assert/strict';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { KronlensError } from '@kronlens/proto';
import { trainableParameters } from './programs/index.js';
import {
  DEFAULT_OPTIMISER,
  type PosteriorBench,
  posteriorBench,
  rotatedBases,
  single,
} from './testing/posterior-engine.js';

const FIXTURES = join(dirname(fileURLToPath(import.meta.url)), '..', 'fixtures', 'factors');
const filesOf = (name: string, model = 'model.onnx') => ({
  model: join(FIXTURES, name, model),
  data: join(FIXTURES, name, 'data.npz'),
});

/** A state at the trained parameters with one standard deviation everywhere. */
async function stateAt(bench: PosteriorBench, logStd: number): Promise<string> {
  const tensors = (await bench.trained()).flatMap((tensor) => {
    const filled = (prefix: string, value: number) => ({
      ...tensor,
      name: `${prefix}/${tensor.name}`,
      values: new Float64Array(tensor.values.length).fill(value),
    });
    return [
      { ...tensor, name: `mean/${tensor.name}` },
      filled('log_std', logStd),
      filled('mean_square', 0),
      filled('log_std_square', 0),
    ];
  });
  const scalars = [single('rho', -3), single('rho_square', 0), single('steps', 0)];
  return await bench.bundle([...tensors, ...scalars]);
}

for (const basis of ['standard', 'rotated'] as const)
  test(`without noise (${basis} basis) loss and errors are those of the model`, async (t) => {
    const bench = await posteriorBench(t, filesOf('mlp'), 8);
    const bases = basis === 'rotated' ? await rotatedBases(bench) : [];
    const start = await stateAt(bench, -80);
    const optimiser = { ...DEFAULT_OPTIMISER, learningRate: 0 };
    const { history } = await bench.run(bases, { start, optimiser });
    const draws = await bench.draws(bases, { state: start, drawCount: 2n });
    const mean = await bench.draws(bases, { state: start, mean: true });
    const plain = mean.get('loss')?.values[0] ?? Number.NaN;
    const near = (found: number | undefined, expected: number) =>
      assert.ok(Math.abs((found ?? Number.NaN) - expected) <= 1e-6 * expected, `${found}`);
    near(history.get('loss')?.values[0], plain / bench.samples);
    for (const loss of draws.get('loss')?.values ?? []) near(loss, plain);
    const wrong = mean.get('errors')?.values[0] ?? Number.NaN;
    assert.deepEqual([...(draws.get('errors')?.values ?? [])], [wrong, wrong]);
    assert.equal(history.get('errors')?.values[0], wrong / bench.samples);
  });

test('deviations begin at the magnitudes of the parameters, or at a share of them', async (t) => {
  const bench = await posteriorBench(t, filesOf('mlp'), 8);
  const optimiser = { ...DEFAULT_OPTIMISER, learningRate: 0 };
  const [whole, tenth] = [
    await bench.run([], { optimiser }),
    await bench.run([], { optimiser, firstScale: 0.1 }),
  ];
  for (const { name, values } of await bench.trained()) {
    const [full, small] = [whole, tenth].map(({ state }) => state.get(`log_std/${name}`)?.values);
    for (const [i, value] of values.entries()) {
      assert.ok(Math.abs((full?.[i] ?? NaN) - Math.log(Math.abs(value))) < 1e-5, `${name} ${i}`);
      assert.ok(Math.abs((full?.[i] ?? NaN) - (small?.[i] ?? NaN) - Math.log(10)) < 1e-5);
    }
  }
});

test('epochs in one task or in several give the same bytes; another seed does not', async (t) => {
  const bench = await posteriorBench(t, filesOf('lenet-small'), 8);
  const bases = await rotatedBases(bench);
  const whole = await bench.run(bases, { lastEpoch: 3n });
  const first = await bench.run(bases, { lastEpoch: 1n });
  const rest = await bench.run(bases, {
    start: first.stateId,
    firstEpoch: 1n,
    lastEpoch: 3n,
  });
  assert.equal(rest.stateId, whole.stateId);
  const other = await bench.run(bases, { lastEpoch: 3n, seed: 8n });
  assert.notEqual(other.stateId, whole.stateId);
});

test('KL falls, and steps count the last partial batch', async (t) => {
  const bench = await posteriorBench(t, filesOf('binary'), 8);
  const { history, state } = await bench.run([], {
    lastEpoch: 30n,
    optimiser: { ...DEFAULT_OPTIMISER, learningRate: 1e-2 },
  });
  const kl = [...(history.get('kl')?.values ?? [])];
  assert.equal(kl.length, 30);
  assert.ok((kl.at(-1) ?? 0) < (kl[0] ?? 0) / 2, kl.join(' '));
  assert.equal(state.get('steps')?.values[0], 30 * Math.ceil(bench.samples / 8));
});

test('a model of a fixed batch pads the last one', async (t) => {
  const [any, fixed] = [
    await posteriorBench(t, filesOf('mlp'), 8),
    await posteriorBench(t, filesOf('mlp', 'model.batch8.onnx'), 8),
  ];
  const [a, b] = [await any.run([], {}), await fixed.run([], {})];
  for (const [name, { values }] of a.state) {
    const other = b.state.get(name)?.values ?? new Float64Array();
    const scale = Math.max(...values.map(Math.abs), 1e-3);
    values.forEach((value, i) => {
      assert.ok(Math.abs(value - (other[i] ?? Number.NaN)) <= 1e-3 * scale, `${name} ${i}`);
    });
  }
});

test('draws do not depend on how they are cut', async (t) => {
  const bench = await posteriorBench(t, filesOf('tokens'), 8);
  const bases = await rotatedBases(bench);
  const state = await stateAt(bench, -1);
  for (const drawSamples of [0n, 5n]) {
    const wanted = { state, drawSamples };
    const whole = await bench.draws(bases, { ...wanted, drawCount: 5n });
    const parts = [
      await bench.draws(bases, { ...wanted, drawCount: 2n }),
      await bench.draws(bases, { ...wanted, firstDraw: 2n, drawCount: 3n }),
    ];
    for (const name of ['errors', 'loss'])
      assert.deepEqual(
        parts.flatMap((part) => [...(part.get(name)?.values ?? [])]),
        [...(whole.get(name)?.values ?? [])],
      );
    assert.ok(new Set(whole.get('loss')?.values).size === 5);
  }
});

test('what diverges names step and parameter, and the state before stays', async (t) => {
  const bench = await posteriorBench(t, filesOf('mlp'), 8);
  const first = await bench.run([], {});
  const optimiser = { ...DEFAULT_OPTIMISER, learningRate: 1e30 };
  const fields = { start: first.stateId, firstEpoch: 1n, lastEpoch: 9n, optimiser };
  await assert.rejects(bench.run([], fields), (error) => {
    assert.ok(error instanceof KronlensError);
    assert.equal(error.code, 'posterior-diverged');
    assert.match(error.message, /at step 5 \(epoch 1\): .*'fc\d\.(weight|bias)'/);
    return true;
  });
  assert.ok(await bench.engine.store.has(first.stateId));
});

test('a draw that overflows is named', async (t) => {
  const bench = await posteriorBench(t, filesOf('mlp'), 8);
  const state = await stateAt(bench, 87);
  await assert.rejects(bench.draws([], { state, firstDraw: 4n, drawCount: 2n }), /loss of draw 4/);
});

test('running statistics are no parameters, and are told apart', async (t) => {
  const { model, parameters } = await posteriorBench(t, filesOf('cnn-rich'), 8);
  const all = await trainableParameters(model);
  assert.ok(all.statistics.length > 0);
  // Not even where training has changed them.
  const changed = await trainableParameters(model, new Set(all.statistics));
  assert.deepEqual(
    changed.parameters.map(({ name }) => name),
    parameters.map(({ name }) => name),
  );
  assert.ok(all.statistics.every((name) => all.constants.includes(name)));
});
