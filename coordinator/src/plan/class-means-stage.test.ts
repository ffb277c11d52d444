// What class means need is asked for before anything is computed.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { FactorOptions } from '../programs/index.js';
import { checkClassMeans, classMeanNotes } from './class-means-stage.js';

const OPTIONS: FactorOptions = {
  loss: 'cross-entropy',
  columns: { kind: 'exact' },
  sharing: 'expand',
  bias: 'separate',
  labels: true,
};

test('labels, classes and the exact output Hessian are asked for', () => {
  checkClassMeans(OPTIONS, { outputs: 5, tokens: undefined });
  checkClassMeans({ ...OPTIONS, loss: 'bce' }, { outputs: 1, tokens: undefined });
  const refused = (changes: Partial<FactorOptions>, outputs: number, message: RegExp) =>
    assert.throws(
      () => checkClassMeans({ ...OPTIONS, ...changes }, { outputs, tokens: undefined }),
      message,
    );
  assert.throws(
    () => checkClassMeans(OPTIONS, { outputs: 5, tokens: 7 }),
    /one row of logits a sample/,
  );
  refused({ labels: false }, 5, /^UsageError: --class-means needs labels; add them to the data/);
  refused({ loss: 'mse' }, 5, /needs one class a sample; --loss mse with 5 outputs has none/);
  refused({ loss: 'bce' }, 3, /--loss bce with 3 outputs has none/);
  refused({ columns: { kind: 'empirical' } }, 5, /is of the exact output Hessian/);
});

test('a dead layer and means that do not fit are said', () => {
  const none = { values: new Float64Array(4), width: 2, share: null };
  const found = { classes: 2, columns: 1, counts: [1, 1] };
  assert.deepEqual(classMeanNotes('fc', { ...found, gamma: none, delta: none }), [
    "layer 'fc': its output Hessian is zero, so class means explain no share of it",
  ]);
  const some = { ...none, share: 0.5 };
  const [note = ''] = classMeanNotes('fc', { ...found, gamma: some, delta: undefined });
  assert.match(note, /^layer 'fc': its class means of all weights do not fit the memory/);
});
