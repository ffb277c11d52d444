import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ortEvaluator } from '../testing/ort-evaluator.js';
import { graph, info, node } from '../testing/small-graph.js';
import { int } from './attributes.js';
import { compareStructure } from './same-structure.js';
import { specialise } from './specialise.js';
import { floatTensor, intTensor } from './tensor.js';

interface Choice {
  readonly prefix: string;
  readonly width: number;
  readonly activation: string;
  readonly axis: number;
  readonly target: readonly number[];
  readonly bias: boolean;
}

/** x [2, 3] -> product -> activation -> Softmax -> Reshape, with names and sizes as chosen. */
function network(choice: Partial<Choice> = {}) {
  const { prefix, width, activation, axis, target, bias } = {
    ...{ prefix: 'a', width: 4, activation: 'Relu', axis: 1, target: [2, -1], bias: false },
    ...choice,
  };
  const called = (name: string) => `${prefix}.${name}`;
  const weights = Array.from({ length: 3 * width }, (_, index) => index + prefix.length);
  const graphOf = graph({
    inputs: [info('x', [2, 3])],
    outputs: [info(called('y'))],
    initializers: new Map([
      [called('w'), floatTensor(weights, [3, width])],
      [called('b'), floatTensor(weights.slice(0, width), [width])],
      [called('target'), intTensor([...target])],
    ]),
    nodes: [
      bias
        ? node('Gemm', ['x', called('w'), called('b')], [called('h')])
        : node('Gemm', ['x', called('w')], [called('h')]),
      node(activation, [called('h')], [called('r')]),
      node('Softmax', [called('r')], [called('s')], { axis: int(axis) }),
      node('Reshape', [called('s'), called('target')], [called('y')]),
    ],
  });
  return specialise(graphOf, new Map([['x', [2, 3]]]), ortEvaluator);
}

async function difference(choice: Partial<Choice>): Promise<string> {
  const compared = compareStructure(await network(), await network(choice), ['m', 'i']);
  return compared.same ? 'none' : compared.difference;
}

test('other weights and names are the same structure', async () => {
  const other = await network({ prefix: 'other' });
  const compared = compareStructure(await network(), other, ['m', 'i']);
  assert.ok(compared.same);
  assert.equal(compared.initializers.get('a.w'), 'other.w');
});

test('the first difference is named', async () => {
  assert.equal(
    await difference({ width: 6 }),
    "input 2 of Gemm 'a.h' has type float32[3, 4] in m and type float32[3, 6] in i",
  );
  assert.equal(await difference({ activation: 'Tanh' }), "node 'a.r' is Relu in m and Tanh in i");
  assert.equal(
    await difference({ axis: 0 }),
    "attribute 'axis' of Softmax 'a.s' is 1 in m and 0 in i",
  );
  assert.equal(
    await difference({ bias: true }),
    "input 3 of Gemm 'a.h' is absent in m and is 'a.b' in i",
  );
  assert.equal(
    await difference({ target: [4, -1] }),
    "input 2 of Reshape 'a.y' is [2, -1] in m and [4, -1] in i",
  );
});
