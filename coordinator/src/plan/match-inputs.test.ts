import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  BadInputError,
  create,
  type DataArray,
  DataArraySchema,
  ElementType,
} from '@kronlens/proto';
import type { ModelInput, OpenedInput } from '../programs/index.js';
import { matchInputs, sampleShapes } from './match-inputs.js';

const array = (
  name: string,
  shape: readonly number[],
  type = ElementType.FLOAT32,
  member = name,
): DataArray =>
  create(DataArraySchema, { name, member, path: 'd.npz', type, shape: shape.map(BigInt) });
const input = (name: string, shape: readonly number[], dtype: ModelInput['dtype'] = 'float32') =>
  ({ name, shape, dtype }) satisfies OpenedInput;
const match = (inputs: readonly OpenedInput[], arrays: readonly DataArray[], scale?: number) =>
  matchInputs(inputs, arrays, scale, 'd.npz');
const refusal = (inputs: readonly OpenedInput[], arrays: readonly DataArray[]): string => {
  try {
    match(inputs, arrays);
  } catch (error) {
    assert.ok(error instanceof BadInputError);
    return error.message;
  }
  assert.fail('nothing was refused');
};

test('a lone input takes x, an array of its name, or the only array there is', () => {
  const images = input('images', [1, 8, 8]);
  for (const arrays of [
    [array('other', [5, 2]), array('x', [5, 1, 8, 8])],
    [array('x', [5, 2]), array('images', [5, 1, 8, 8])],
    [array('train', [5, 1, 8, 8], ElementType.UINT8, '')],
  ]) {
    const { arrays: matched, samples, notes } = match([images], arrays);
    assert.deepEqual(
      matched.map(({ name, shape }) => [name, shape]),
      [['images', [5n, 1n, 8n, 8n]]],
    );
    assert.equal(samples, 5);
    assert.deepEqual(notes, []);
  }
});

test('several inputs take arrays of their names, the others those that alone fit', () => {
  const inputs = [input('a', [3]), input('tokens', [4], 'int64'), input('c', [2, 2])];
  const arrays = [
    array('u', [7, 4], ElementType.INT32),
    array('a', [7, 3]),
    array('v', [7, 2, 2], ElementType.FLOAT64),
  ];
  const { arrays: matched } = match(inputs, arrays, 0.5);
  assert.deepEqual(
    matched.map(({ name, member, scale }) => [name, member, scale]),
    [
      ['a', 'a', 0.5],
      ['tokens', 'u', undefined],
      ['c', 'v', 0.5],
    ],
  );
  assert.equal(
    refusal([input('a', [3]), input('b', [3])], [array('u', [7, 3]), array('v', [7, 3])]),
    "d.npz has no array named 'a' for the model's input of that name (float32, samples of shape [3]), " +
      "and 'u', 'v' fit equally; name the arrays like the inputs",
  );
  assert.match(
    refusal(
      [input('a', [3]), input('b', [9])],
      [array('a', [7, 3]), array('v', [7, 3]), array('w', [7, 4])],
    ),
    /no array named 'b' .* and none of its arrays \('v', 'w'\) fits/,
  );
});

test('rows are read in another shape only where their order is beyond doubt', () => {
  const read = (stored: readonly number[], wanted: readonly number[]) =>
    match([input('x', wanted)], [array('x', [5, ...stored])]).notes;
  assert.deepEqual(read([28, 28], [1, 28, 28]), [
    "data 'x' with samples of shape [28, 28] is read as [1, 28, 28]",
  ]);
  assert.equal(read([28, 28], [784]).length, 1);
  assert.equal(read([784], [1, 28, 28]).length, 1);
  assert.throws(() => read([28, 28, 3], [3, 28, 28]), BadInputError);
  assert.equal(
    refusal([input('images', [1, 8, 8])], [array('x', [5, 1, 28, 28])]),
    "d.npz: data 'x' has samples of shape [1, 28, 28], the model's input 'images' wants [1, 8, 8]",
  );
});

test('wrong types, sample counts and empty data are refused', () => {
  const tokens = input('tokens', [4], 'int64');
  assert.equal(
    refusal([tokens], [array('x', [5, 4])]),
    "d.npz: data 'x' holds float32, the model's input 'tokens' wants int64",
  );
  assert.equal(
    refusal([input('x', [4])], [array('x', [5, 4], ElementType.INT64)]),
    "d.npz: data 'x' holds int64, the model's input 'x' wants float32",
  );
  assert.equal(
    refusal([input('a', [4]), input('b', [4])], [array('a', [5, 4]), array('b', [6, 4])]),
    "d.npz: data 'b' has 6 samples, 'a' has 5",
  );
  assert.equal(refusal([input('x', [4])], [array('x', [0, 4])]), 'd.npz: it holds no samples');
});

test('sizes that the model leaves open come from the data', () => {
  const open: ModelInput[] = [
    { name: 'images', dtype: 'float32', shape: [3, null, null] },
    { name: 'mask', dtype: 'float32', shape: [2] },
  ];
  const arrays = [array('images', [5, 3, 32, 24]), array('mask', [5, 2])];
  assert.deepEqual([...sampleShapes(open, arrays, 'd.npz')], [['images', [3, 32, 24]]]);
  assert.throws(
    () => sampleShapes(open, [array('images', [5, 1, 32, 24]), array('mask', [5, 2])], 'd.npz'),
    /data 'images' has samples of shape \[1, 32, 24\], the model's input 'images' wants \[3, \?, \?\]/,
  );
});
