// Which posteriors count as having lost what the network learned, and what is said of them.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { drownedPosteriors } from './drowned.js';

const row = (variant: string, kl: number, train_error: number) => ({ variant, kl, train_error });
const network = { trainError: 0.1, classes: 10 };

test('a posterior nearer to chance than to the network is named with the option that helps', () => {
  const rows = [row('base', 812.3, 0.45), row('appr', 3.1234, 0.8993)];
  assert.deepEqual(drownedPosteriors(rows, network, 1), [
    'the posterior of appr has lost what the network learned (training error 0.8993, that of the trained network 0.1000, KL 3.123): let deviations begin smaller, with --first-scale 0.1 instead of 1, or give it more --epochs',
  ]);
});

test('the line lies half-way between the network and chance', () => {
  const drowned = (error: number, classes: number) =>
    drownedPosteriors([row('base', 1, error)], { trainError: 0.1, classes }, 1).length;
  assert.deepEqual([drowned(0.49, 10), drowned(0.51, 10)], [0, 1]);
  assert.deepEqual([drowned(0.29, 2), drowned(0.31, 2)], [0, 1]);
});

test('a network that has learned little has nothing to lose', () => {
  const guessing = { trainError: 0.46, classes: 2 };
  assert.deepEqual(drownedPosteriors([row('base', 1, 0.5)], guessing, 1), []);
});
