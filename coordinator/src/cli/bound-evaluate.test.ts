// bound evaluate as a process: the closed form, its notes and what it refuses.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { kronlens } from '../testing/kronlens-process.js';

const ITER = ['--kl', '3766.1', '--snn', '0.02347', '--half-log-lambda', '-1.2913', '--n', '60000'];

test('a published bound is found again, in words and as JSON', async () => {
  const shown = await kronlens('bound', 'evaluate', ...ITER);
  assert.equal(shown.code, 0, shown.stderr);
  assert.equal(
    shown.stdout,
    'KL 3766, BRE 0.06313, j = 28, N = 60,000\n' +
      "bound 0.1198 from the training error's 0.0235, with confidence 0.9650\n",
  );
  const json = JSON.parse((await kronlens('bound', 'evaluate', ...ITER, '--json')).stdout);
  assert.ok(Math.abs(json.bound - 0.1198) < 2e-4);
  assert.deepEqual(
    [json.j, json.delta, json.deltaPrime, json.b, json.c],
    [28, 0.025, 0.01, 100, 0.1],
  );
});

test('a prior variance off the grid is noted', async () => {
  const evaluate = (lambda: string) => kronlens('bound', 'evaluate', ...ITER.with(5, lambda));
  const end = await evaluate('-1.1513');
  assert.match(end.stdout, /^note: lambda is above c exp\(-1\/b\), .*; j = 1 is taken$/m);
  const between = await evaluate('-1.2934');
  assert.match(between.stdout, /with j = 28\.42, between two prior variances; j = 29 is taken/);
});

test('what makes no bound is refused', async () => {
  const refused: readonly (readonly [number, string, RegExp])[] = [
    [7, '1', /'--n <N>' argument '1' is invalid\. Expected a whole number of at least 2/],
    [3, '1.5', /'--snn <e>' argument '1.5' is invalid\. Expected a number from 0 to 1/],
    [1, '-3', /'--kl <x>' argument '-3' is invalid\. Expected a number of at least 0/],
  ];
  for (const [place, value, words] of refused) {
    const ended = await kronlens('bound', 'evaluate', ...ITER.with(place, value));
    assert.equal(ended.code, 2);
    assert.match(ended.stderr, words);
  }
  for (const delta of ['0', '1', '-1']) {
    const ended = await kronlens('bound', 'evaluate', ...ITER, '--delta', delta);
    assert.equal(ended.code, 2);
    assert.match(ended.stderr, /Expected a number above 0 and below 1/);
  }
  const missing = await kronlens('bound', 'evaluate', '--kl', '1');
  assert.deepEqual([missing.code, missing.stdout], [2, '']);
});
