import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BadInputError, create, DataArraySchema, ElementType } from '@kronlens/proto';
import { checkLabels, labelsOfFile, splitLabels } from './match-labels.js';

const array = (member: string, shape: readonly number[], type = ElementType.INT64) =>
  create(DataArraySchema, {
    name: member || 'labels',
    member,
    path: 'd.npz',
    type,
    shape: shape.map(BigInt),
  });

test('y is the labels unless the model has an input of that name', () => {
  const [x, y] = [array('x', [5, 2]), array('y', [5])];
  assert.deepEqual(splitLabels([x, y], ['x']), { rest: [x], labels: y });
  assert.deepEqual(splitLabels([x, y], ['x', 'y']), { rest: [x, y], labels: undefined });
  assert.deepEqual(splitLabels([x], ['x']), { rest: [x], labels: undefined });
});

test('a file of labels holds one array, or one called y', () => {
  const only = array('', [5]);
  const y = array('y', [5]);
  assert.equal(labelsOfFile([only], 'l.npy'), only);
  assert.equal(labelsOfFile([array('x', [5]), y], 'l.npz'), y);
  assert.throws(
    () => labelsOfFile([array('a', [5]), array('b', [5])], 'l.npz'),
    /--labels l\.npz: it holds the arrays 'a', 'b'; name the labels 'y'/,
  );
});

/** Logits of one row a sample. */
const rows = (outputs: number) => ({ outputs, tokens: undefined });

test('labels fit the loss, the outputs and the samples', () => {
  assert.equal(checkLabels(array('', [5]), 'cross-entropy', rows(10), 5).name, 'y');
  assert.equal(checkLabels(array('y', [5, 1]), 'cross-entropy', rows(10), 5).name, 'y');
  assert.equal(checkLabels(array('y', [5, 3], ElementType.FLOAT32), 'mse', rows(3), 5).name, 'y');
  assert.equal(checkLabels(array('y', [5], ElementType.BOOL), 'bce', rows(1), 5).name, 'y');
  const message = (...given: Parameters<typeof checkLabels>) => {
    try {
      checkLabels(...given);
    } catch (error) {
      assert.ok(error instanceof BadInputError);
      return error.message;
    }
    return assert.fail('nothing was refused');
  };
  assert.equal(
    message(array('y', [5, 10]), 'cross-entropy', rows(10), 5),
    "labels 'y' of d.npz have shape [5, 10]; --loss cross-entropy wants one class index a sample (take the argmax of one-hot rows; bce and mse want one value an output)",
  );
  assert.equal(
    message(array('y', [5]), 'mse', rows(3), 5),
    "labels 'y' of d.npz have shape [5]; --loss mse wants 3 values a sample",
  );
  assert.equal(
    message(array('y', [4]), 'cross-entropy', rows(10), 5),
    "there are 5 samples, but 4 labels 'y' of d.npz",
  );
  assert.match(message(array('y', [5], ElementType.BOOL), 'mse', rows(1), 5), /hold bool/);
  const tokens = { outputs: 10, tokens: 7 };
  assert.equal(checkLabels(array('y', [5, 7]), 'cross-entropy', tokens, 5).name, 'y');
  assert.equal(
    message(array('y', [5, 6]), 'cross-entropy', tokens, 5),
    "labels 'y' of d.npz have shape [5, 6]; --loss cross-entropy wants 7 class indices a sample, one a token",
  );
});
