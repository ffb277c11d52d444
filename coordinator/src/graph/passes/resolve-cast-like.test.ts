import assert from 'node:assert/strict';
import { it } from 'node:test';
import { graph, info, node } from '../../testing/small-graph.js';
import { printed } from '../printed.js';
import { floatTensor } from '../tensor.js';
import { resolveCastLike } from './resolve-cast-like.js';

it('resolveCastLike writes Cast where the type is known, and leaves the rest', () => {
  const before = graph({
    inputs: [info('x', [2])],
    outputs: [info('y')],
    initializers: new Map([['six', floatTensor([6], [], 'float64')]]),
    nodes: [
      node('Relu', ['x'], ['r']),
      node('CastLike', ['six', 'r'], ['bound']),
      node('Min', ['r', 'bound'], ['m']),
      node('com.example/Op', ['m'], ['o']),
      node('CastLike', ['six', 'o'], ['y']),
    ],
  });
  assert.deepEqual(printed(resolveCastLike(before)).split('\n').slice(3, -1), [
    'r = Relu(x)',
    'bound = Cast<to=1>(six)',
    'm = Min(r, bound)',
    'o = com.example.Op(m)',
    'y = CastLike(six, o)',
  ]);
});
