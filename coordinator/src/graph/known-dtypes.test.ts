import assert from 'node:assert/strict';
import { it } from 'node:test';
import { graph, info, node } from '../testing/small-graph.js';
import { int, ints } from './attributes.js';
import { knownDtypes } from './known-dtypes.js';
import { floatTensor, intTensor } from './tensor.js';

it('knownDtypes follows element types, and says nothing of what it cannot know', () => {
  const dtypes = knownDtypes(
    graph({
      inputs: [{ name: 'x', dtype: 'float64', shape: undefined }],
      outputs: [info('y')],
      initializers: new Map([['i', intTensor([1])]]),
      nodes: [
        node('Relu', ['x'], ['r']),
        node('Greater', ['r', 'x'], ['g']),
        node('Where', ['g', 'i', 'i'], ['w']),
        node('Shape', ['x'], ['s']),
        node('Cast', ['s'], ['c'], { to: int(10) }),
        node('CastLike', ['c', 'x'], ['l']),
        node('ConstantOfShape', ['s'], ['zeros']),
        node('ConstantOfShape', ['s'], ['twos'], {
          value: { kind: 'tensor', value: floatTensor([2], [1], 'float64') },
        }),
        node('Split', ['l'], ['a', 'b']),
        node('MaxPool', ['x'], ['pooled', 'indices'], { kernel_shape: ints([2]) }),
        node('Unique', ['x'], ['unknown']),
        node('com.example/Relu', ['x'], ['foreign']),
      ],
    }),
  );
  assert.deepEqual(Object.fromEntries(dtypes), {
    ...{ x: 'float64', i: 'int64', r: 'float64', g: 'bool', w: 'int64', s: 'int64' },
    ...{
      c: 'float16',
      l: 'float64',
      zeros: 'float32',
      twos: 'float64',
      a: 'float64',
      b: 'float64',
    },
    pooled: 'float64',
  });
});
