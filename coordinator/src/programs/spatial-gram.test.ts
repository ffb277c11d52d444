// The fold of a spatial Gram matrix equals the Gram matrix of the unfolded inputs.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { encodeModel, GraphBuilder, int, ints, type Node, tensor } from '../graph/index.js';
import { windowGeometry } from '../graph/window.js';
import { ortEvaluator } from '../testing/ort-evaluator.js';
import { emitGram } from './gram.js';
import { emitSpatialGram, foldSpatialGram, spatialFold } from './spatial-gram.js';
import { emitUnfold } from './unfold.js';

function convolution(attributes: Node['attributes']): Node {
  return {
    name: 'conv',
    op: 'Conv',
    domain: '',
    inputs: ['x', 'w'],
    outputs: ['z'],
    attributes,
    metadata: new Map(),
  };
}

const CASES = [
  { name: 'plain', attributes: {}, shape: [3, 2, 5, 6], kernel: [3, 2], output: [3, 5] },
  {
    name: 'padded and strided',
    attributes: { pads: ints([1, 0, 1, 2]), strides: ints([2, 1]) },
    shape: [4, 3, 5, 4],
    kernel: [3, 3],
    output: [3, 4],
  },
  {
    name: 'grouped and dilated',
    attributes: { group: int(2), dilations: ints([2, 1]) },
    shape: [3, 4, 6, 4],
    kernel: [2, 2],
    output: [4, 3],
  },
  {
    name: '1 dimension',
    attributes: { pads: ints([1, 1]) },
    shape: [5, 2, 7],
    kernel: [3],
    output: [7],
  },
  {
    name: '3 dimensions',
    attributes: {},
    shape: [2, 1, 3, 4, 3],
    kernel: [2, 2, 2],
    output: [2, 3, 2],
  },
];

for (const { name, attributes, shape, kernel, output } of CASES) {
  test(`${name}: folding the Gram of maps gives that of windows`, async () => {
    const node = convolution(attributes);
    const fold = spatialFold(node, shape, kernel, output);
    assert.ok(fold !== undefined, 'maps of this size are folded');
    const [batch = 0, channels = 0] = shape;
    const geometry = windowGeometry(node, shape.slice(2), kernel);
    const { groups } = geometry;
    const b = new GraphBuilder({
      opset: 20,
      irVersion: 9,
      inputs: [],
      outputs: [],
      nodes: [],
      initializers: new Map(),
      domains: new Map(),
    });
    const { value, features, positions } = emitUnfold(b, 'x', shape, geometry, output);
    assert.deepEqual([features, positions], [fold.features, fold.positions]);
    const unfolded = {
      layout: 'features',
      value: b.reshape(value, [groups, features, batch * positions]),
      ...{ batch, groups, features, positions },
    } as const;
    const direct = b.alias(emitGram(b, [unfolded]), 'direct');
    const maps = b.alias(emitSpatialGram(b, 'x', batch, groups, fold.mapLength), 'maps');
    const size = shape.reduce((product, n) => product * n, 1);
    assert.equal(fold.mapLength, size / batch / groups, `${channels} channels`);
    const model = encodeModel(
      b.build(
        [direct, maps].map((output) => ({ name: output, dtype: 'float64', shape: undefined })),
        [{ name: 'x', dtype: 'float64', shape }],
      ),
      { untypedOutputs: true },
    );
    const x = tensor.floatTensor(
      Array.from({ length: size }, (_, index) => Math.sin(index * 1.7)),
      shape,
      'float64',
    );
    const { tensors } = await ortEvaluator.evaluate(model, new Map([['x', x]]), [direct, maps]);
    const numbers = (value: string) => {
      const found = tensors.get(value);
      assert.ok(found !== undefined);
      return tensor.tensorNumbers(found);
    };
    const [want, grams] = [numbers(direct), numbers(maps)];
    for (let group = 0; group < groups; group++) {
      const gram = grams.slice(group * fold.mapLength ** 2, (group + 1) * fold.mapLength ** 2);
      const folded = foldSpatialGram(upperTriangle(gram, fold.mapLength), fold);
      const block = want.slice(group * features ** 2, (group + 1) * features ** 2);
      upperTriangle(block, features).forEach((value, index) => {
        assert.ok(Math.abs(value - (folded[index] ?? NaN)) < 1e-12 * size, `entry ${index}`);
      });
    }
  });
}

function upperTriangle(full: readonly number[], n: number): Float64Array {
  const rows = Array.from({ length: n }, (_, i) => full.slice(i * n + i, (i + 1) * n));
  return Float64Array.from(rows.flat());
}

test('long maps are not folded', () => {
  const node = convolution({ pads: ints([1, 1, 1, 1]) });
  assert.equal(spatialFold(node, [2, 64, 32, 32], [3, 3], [32, 32]), undefined);
});
