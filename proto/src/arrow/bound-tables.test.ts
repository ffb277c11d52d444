// Tables of bounds: rows with and without test data.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BOUND_HISTORY, BOUNDS, POSTERIOR_KL } from './bound-tables.js';
import { decodeTable, encodeTable } from './tables.js';

test('bounds come back with and without a test set', () => {
  const row = {
    variant: 'iter',
    bound: 0.1198,
    kl: 3766.1,
    snn_error: 0.02347,
    train_error: 0.0231,
    test_error: 0.0264,
    half_log_lambda: -1.2913,
    n: 60_000,
    epochs: 2000,
    seed: 2 ** 40,
    j: 28,
    mc_samples: 50_000,
    train_error_standard_error: 1e-6,
    test_error_standard_error: 1e-5,
    mean_train_error: 0.02,
    mean_test_error: 0.025,
  };
  const alone = {
    ...row,
    test_error: null,
    mean_test_error: null,
    test_error_standard_error: null,
    train_error_standard_error: null,
  };
  assert.deepEqual(decodeTable(BOUNDS, encodeTable(BOUNDS, [row, alone])), [row, alone]);
});

test('epochs and parts of the KL come back', () => {
  const epoch = { variant: 'base', epoch: 3, objective: 0.5, loss: 0.3, train_error: 0.1 };
  const history = [{ ...epoch, kl: 4e3, penalty: 0.2, rho: -2.5 }];
  assert.deepEqual(decodeTable(BOUND_HISTORY, encodeTable(BOUND_HISTORY, history)), history);
  const part = { variant: 'base', dimension: 7, kl: 3, variance_sum: 1, log_deviation_sum: -9 };
  const parts = [
    { ...part, parameter: 'fc1.weight', layer: 'fc1', squared_distance: 2 },
    { ...part, parameter: 'scale', layer: null, squared_distance: 0 },
  ];
  assert.deepEqual(decodeTable(POSTERIOR_KL, encodeTable(POSTERIOR_KL, parts)), parts);
});
