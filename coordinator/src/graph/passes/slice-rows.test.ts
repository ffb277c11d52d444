import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ortEvaluator } from '../../testing/ort-evaluator.js';
import { graph, info, node } from '../../testing/small-graph.js';
import { encodeModel } from '../codec/encode-model.js';
import { printed } from '../printed.js';
import { floatTensor, intTensor, tensorNumbers } from '../tensor.js';
import { sliceRows } from './slice-rows.js';

const table = floatTensor([0, 1, 2, 3, 4, 5, 6, 7], [4, 2]);

/** x + wpe.weight[from:to] along `axis`, or x by it. */
function network(reader: string, axis: number) {
  return graph({
    inputs: [info('x', [3, 2])],
    outputs: [info('y')],
    nodes: [
      node('Slice', ['wpe.weight', 'from', 'to', 'axis'], ['rows']),
      node(reader, ['x', 'rows'], ['y']),
    ],
    initializers: new Map([
      ['wpe.weight', table],
      ['from', intTensor([-3])],
      ['to', intTensor([4])],
      ['axis', intTensor([axis])],
    ]),
  });
}

describe('sliceRows', () => {
  it('looks up the rows that a slice takes', async () => {
    const model = sliceRows(network('Add', 0));
    assert.equal(
      printed(model).split('\n').slice(-4).join('\n'),
      [
        'kl_rows_rows = Slice(kl_rows_of_wpe.weight, from, to, axis)',
        'rows = Gather(wpe.weight, kl_rows_rows)',
        'y = Add(x, rows)',
        'output y float32',
      ].join('\n'),
    );
    const x = floatTensor([10, 20, 30, 40, 50, 60], [3, 2]);
    const bytes = encodeModel(model, { untypedOutputs: true });
    const { tensors } = await ortEvaluator.evaluate(bytes, new Map([['x', x]]), ['y']);
    const y = tensors.get('y');
    assert.ok(y !== undefined);
    assert.deepEqual(tensorNumbers(y), [12, 23, 34, 45, 56, 67]);
  });

  it('leaves parts of weights of products and other axes alone', () => {
    for (const model of [network('MatMul', 0), network('Add', 1)])
      assert.equal(sliceRows(model), model);
  });
});
