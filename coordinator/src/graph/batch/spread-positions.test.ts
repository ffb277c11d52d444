import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ortEvaluator } from '../../testing/ort-evaluator.js';
import { graph, info, node } from '../../testing/small-graph.js';
import { encodeModel } from '../codec/encode-model.js';
import { elementCount, type Node } from '../graph.js';
import { specialise } from '../specialise.js';
import { floatTensor, intTensor } from '../tensor.js';
import { spreadPositions } from './spread-positions.js';

const TABLE = floatTensor([1, 2, 3, 4, 5, 6], [3, 2]);
const SHAPE = [2, 3, 2];

/** x [2, 3, 2] plus rows of a table at indices of some shape, by way of `between`. */
async function model(ids: readonly number[], between: readonly Node[], read: string) {
  const shaped = await specialise(
    graph({
      inputs: [info('x', ['N', 3, 2])],
      outputs: [info('y')],
      initializers: new Map([
        ['wpe.weight', TABLE],
        ['ids', intTensor([2, 0, 1].slice(-elementCount(ids)), ids)],
        ['zero', intTensor([0])],
        ['axis', intTensor([1])],
        ['two', floatTensor([2], [1])],
      ]),
      nodes: [
        node('Gather', ['wpe.weight', 'ids'], ['rows']),
        ...between,
        node('Add', ['x', read], ['y']),
      ],
    }),
    new Map([['x', SHAPE]]),
    ortEvaluator,
  );
  return { shaped, spread: spreadPositions(shaped, 2) };
}

test('every sample gets its own rows where they are broadcast over the batch', async () => {
  const cast = node('Mul', ['rows', 'rows'], ['squares']);
  const { shaped, spread } = await model([1, 3], [cast], 'squares');
  for (const value of ['rows', 'squares'])
    assert.deepEqual(spread.types.get(value)?.shape, SHAPE, value);
  const x = new Map([['x', floatTensor([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12], SHAPE)]]);
  const [before, after] = await Promise.all(
    [shaped, spread].map((one) => ortEvaluator.evaluate(encodeModel(one), x, ['y'])),
  );
  assert.deepEqual(after?.tensors, before?.tensors);
});

test('rows without a batch axis get one, also where it is put in front of them later', async () => {
  const front = node('Unsqueeze', ['rows', 'zero'], ['table']);
  const scaled = node('Mul', ['rows', 'two'], ['scaled']);
  for (const [between, read] of [
    [[], 'rows'],
    [[front], 'table'],
    [[scaled], 'scaled'],
  ] as const) {
    const { shaped, spread } = await model([3], between, read);
    assert.deepEqual(spread.types.get('rows')?.shape, SHAPE, read);
    assert.deepEqual(spread.types.get(read)?.shape, SHAPE, read);
    const x = new Map([['x', floatTensor([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12], SHAPE)]]);
    const [before, after] = await Promise.all(
      [shaped, spread].map((one) => ortEvaluator.evaluate(encodeModel(one), x, ['y'])),
    );
    assert.deepEqual(after?.tensors, before?.tensors);
  }
});

test('rows that something else reads, or that meet samples along their own axes, stay', async () => {
  const squeezed = await model([1, 3], [node('Squeeze', ['rows', 'zero'], ['flat'])], 'flat');
  assert.deepEqual(squeezed.spread.nodes, squeezed.shaped.nodes);
  const met = [
    node('Slice', ['x', 'zero', 'axis', 'axis'], ['x1']),
    node('Squeeze', ['x1', 'axis'], ['flat']),
    node('Add', ['flat', 'rows'], ['sum']),
    node('Unsqueeze', ['sum', 'axis'], ['back']),
  ];
  const merged = await model([2], met, 'back');
  assert.deepEqual(merged.spread.nodes, merged.shaped.nodes);
});
