import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ortEvaluator } from '../../testing/ort-evaluator.js';
import { graph, info, node } from '../../testing/small-graph.js';
import { encodeModel } from '../codec/encode-model.js';
import type { Node } from '../graph.js';
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
        ['ids', intTensor([2, 0, 1], ids)],
        ['zero', intTensor([0])],
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

test('rows without a batch axis, or that something else reads, stay', async () => {
  const plain = await model([3], [], 'rows');
  assert.deepEqual(plain.spread.nodes, plain.shaped.nodes);
  const squeezed = await model([1, 3], [node('Squeeze', ['rows', 'zero'], ['flat'])], 'flat');
  assert.deepEqual(squeezed.spread.nodes, squeezed.shaped.nodes);
});
