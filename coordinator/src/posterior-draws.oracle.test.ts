// Monte-Carlo errors of posteriors against PyTorch, which draws from the same ones by itself.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { type PosteriorBench, posteriorBench, rotatedBases } from './testing/posterior-engine.js';

const FIXTURES = join(dirname(fileURLToPath(import.meta.url)), '..', 'fixtures');
const NAMES = ['mlp', 'binary', 'cnn-rich', 'bert-small'];
const DRAWS = 500;
/** Standard errors that two estimates may be apart; normally as rare as 1 in 100,000. */
const APART = 4.5;

interface Moments {
  readonly mean: number;
  readonly deviation: number;
}

/** What scripts/make-posterior-fixtures.py stores of PyTorch's draws in one basis. */
interface Oracle {
  readonly draws: { readonly count: number; readonly loss: Moments; readonly error: Moments };
}

/** The posterior that the oracle draws from. */
async function posteriorState(bench: PosteriorBench): Promise<string> {
  const tensors = (await bench.trained()).flatMap((tensor, index) => [
    { ...tensor, name: `mean/${tensor.name}` },
    {
      ...tensor,
      name: `log_std/${tensor.name}`,
      values: tensor.values.map((_, place) => -1.5 + 0.7 * Math.sin(0.7 * place + index)),
    },
  ]);
  return await bench.bundle(tensors);
}

/** @param values sums over so many samples, one a draw */
function moments(values: Float64Array | undefined, samples: number): Moments {
  const shares = [...(values ?? [])].map((value) => value / samples);
  const mean = shares.reduce((sum, share) => sum + share, 0) / shares.length;
  const squares = shares.reduce((sum, share) => sum + (share - mean) ** 2, 0);
  return { mean, deviation: Math.sqrt(squares / (shares.length - 1)) };
}

for (const name of NAMES)
  for (const basis of ['standard', 'rotated'] as const)
    test(`${name}: errors of draws in the ${basis} basis are PyTorch's within their confidence`, async (t) => {
      const folder = join(FIXTURES, 'factors', name);
      const stored = readFileSync(join(FIXTURES, 'posterior', `${name}.json`), 'utf8');
      const { draws: oracle } = (JSON.parse(stored) as Record<typeof basis, Oracle>)[basis];
      const files = { model: join(folder, 'model.onnx'), data: join(folder, 'data.npz') };
      const bench = await posteriorBench(t, files, 1000);
      const bases = basis === 'rotated' ? await rotatedBases(bench) : [];
      const state = await posteriorState(bench);
      for (const some of [undefined, 7]) {
        const wanted = { state, drawCount: BigInt(DRAWS), drawSamples: BigInt(some ?? 0) };
        const draws = await bench.draws(bases, wanted);
        for (const [what, expected] of [
          ['loss', oracle.loss],
          ['errors', oracle.error],
        ] as const) {
          const found = moments(draws.get(what)?.values, some ?? bench.samples);
          const spread = Math.hypot(
            found.deviation / Math.sqrt(DRAWS),
            expected.deviation / Math.sqrt(oracle.count),
          );
          const shown = `${what} on ${some ?? 'all'}: ${found.mean}, expected ${expected.mean} +- ${spread}`;
          assert.ok(spread > 0 && Math.abs(found.mean - expected.mean) < APART * spread, shown);
          // All draws see the same samples, or some of their own, which adds to the spread. Losses of rare
          // draws are so large that their deviation says little.
          if (what === 'loss') continue;
          const ratio = found.deviation / expected.deviation;
          assert.ok(
            some === undefined ? Math.abs(ratio - 1) < 0.15 : ratio > 1,
            `${ratio} ${shown}`,
          );
        }
      }
    });
