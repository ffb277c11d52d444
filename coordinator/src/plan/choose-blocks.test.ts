// Blocks of parameters by patterns and names.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { affineBlocks, chooseBlocks } from './choose-blocks.js';

const PARAMETERS = ['enc.0.weight', 'enc.0.bias', 'enc.norm.weight', 'head.weight'].map((name) => ({
  name,
  rows: 1,
  columns: 2,
  values: [],
}));
const choose = (...asked: string[]) => chooseBlocks(asked, PARAMETERS, ['enc.0', 'head']);

test('patterns choose parameters in the order of the model', () => {
  assert.deepEqual(choose('enc.*', 'two=head.*,*.bias', 'rest=*,!enc.*'), [
    { name: 'enc.*', parameters: ['enc.0.weight', 'enc.0.bias', 'enc.norm.weight'] },
    { name: 'two', parameters: ['enc.0.bias', 'head.weight'] },
    { name: 'rest', parameters: ['head.weight'] },
  ]);
});

test('what makes no block is refused', () => {
  assert.throws(() => choose('dec.*'), /'dec\.\*' matches no parameter; there are enc\.0\.weight,/);
  assert.throws(() => choose('a=enc.*,!*'), /no parameter is left/);
  assert.throws(() => choose('head=head.*'), /'head' is the name of a layer/);
  assert.throws(() => choose('a=enc.*', 'a=head.*'), /'a' is the name of .* another block/);
  assert.throws(() => choose('=enc.*'), /give patterns/);
  assert.throws(() => choose('a='), /give patterns/);
});

test('affine parameters are blocks of their own where the patterns choose their modules', () => {
  const names = (layers: string[], exclude: string[]) =>
    affineBlocks(PARAMETERS.slice(1, 3), { layers, exclude }).map(({ name, parameters }) => {
      assert.deepEqual(parameters, [name]);
      return name;
    });
  assert.deepEqual(names([], []), ['enc.0.bias', 'enc.norm.weight']);
  assert.deepEqual(names(['enc.*'], ['*.norm']), ['enc.0.bias']);
  assert.deepEqual(names(['head'], []), []);
});
