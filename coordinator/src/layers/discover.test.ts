// Layer discovery on graphs as the exporters write them.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  type Graph,
  int,
  ints,
  type Node,
  specialise,
  string,
  type Tensor,
  tensor,
} from '../graph/index.js';
import { ortEvaluator } from '../testing/ort-evaluator.js';
import { graph, info, node } from '../testing/small-graph.js';
import { discoverLayers } from './discover.js';
import type { Discovery } from './layer.js';

const BATCH = 2;

/** Deterministic contents, different for different seeds. */
function weight(shape: readonly number[], seed = 1): Tensor {
  const size = shape.reduce((product, n) => product * n, 1);
  return tensor.floatTensor(
    Array.from({ length: size }, (_, index) => Math.cos(index * 0.9 + seed)),
    shape,
  );
}

async function discover(
  nodes: readonly Node[],
  initializers: Readonly<Record<string, Tensor>>,
  inputShape: readonly number[],
): Promise<Discovery> {
  const model: Graph = graph({
    inputs: [info('x', inputShape)],
    outputs: [info('y')],
    nodes,
    initializers: new Map(Object.entries(initializers)),
  });
  const shaped = await specialise(model, new Map([['x', inputShape]]), ortEvaluator);
  return discoverLayers(shaped, BATCH, 'y');
}

/** Names of nodes that ONNX Runtime's optimiser has fused, as they are decomposed again. */
const OPTIMISED = ['kl_/enc/enc.0/fc/Conv_Conv', '/enc/enc.0/fc/MatMul/MatmulTransposeFusion/'];

describe('discoverLayers', () => {
  it('reads [out, in] from Gemm in all its forms', async () => {
    const { layers } = await discover(
      [
        node('Gemm', ['x', 'a.weight', 'a.bias'], ['h1'], { transB: int(1) }),
        node('Relu', ['h1'], ['r1']),
        node('Gemm', ['r1', 'b.weight'], ['h2']),
        node('Gemm', ['c.weight', 'h2'], ['h3'], { transB: int(1) }),
        node('Transpose', ['h3'], ['y'], { perm: ints([1, 0]) }),
      ],
      {
        'a.weight': weight([5, 3]),
        'a.bias': weight([5]),
        'b.weight': weight([5, 4]),
        'c.weight': weight([6, 4]),
      },
      [BATCH, 3],
    );
    assert.deepEqual(
      layers.map(({ name, outDim, inDim, positions, bias, piecewiseLinear }) => [
        name,
        outDim,
        inDim,
        positions,
        bias,
        piecewiseLinear,
      ]),
      [
        ['a', 5, 3, 1, 'a.bias', true],
        ['b', 4, 5, 1, undefined, true],
        ['c', 6, 4, 1, undefined, true],
      ],
    );
    assert.deepEqual([layers[2]?.uses[0]?.inputAxis, layers[2]?.uses[0]?.outputAxis], [1, 0]);
  });

  it('takes MatMul + Add on tokens as one layer with a bias, named by its module', async () => {
    const matMul = {
      ...node('MatMul', ['x', 'val_92'], ['h']),
      metadata: new Map([['pkg.torch.onnx.name_scopes', "['', 'enc', 'enc.linear1', 'linear_3']"]]),
    };
    const { layers } = await discover(
      [matMul, node('Add', ['h', 'enc.linear1.bias'], ['y'])],
      { val_92: weight([3, 4]), 'enc.linear1.bias': weight([4]) },
      [BATCH, 7, 3],
    );
    assert.equal(layers.length, 1);
    const [layer] = layers;
    assert.equal(layer?.name, 'enc.linear1');
    assert.equal(layer?.positions, 7);
    assert.equal(layer?.bias, 'enc.linear1.bias');
    assert.deepEqual([layer?.outDim, layer?.inDim], [4, 3]);
  });

  it('names layers by the paths of the TorchScript exporter', async () => {
    const matMul = node('MatMul', ['x', 'onnx::MatMul_7'], ['y']);
    for (const name of ['/enc/enc.0/fc/MatMul', ...OPTIMISED]) {
      const named = { ...matMul, name };
      const { layers } = await discover([named], { 'onnx::MatMul_7': weight([3, 4]) }, [BATCH, 3]);
      assert.deepEqual(
        layers.map((layer) => layer.name),
        ['enc.0.fc'],
      );
    }
  });

  it('names layers without any scope by their bias', async () => {
    const { layers } = await discover(
      [node('MatMul', ['x', 'val_1'], ['h']), node('Add', ['h', 'enc.fc.bias'], ['y'])],
      { val_1: weight([3, 4]), 'enc.fc.bias': weight([4]) },
      [BATCH, 2, 3],
    );
    assert.equal(layers[0]?.name, 'enc.fc');
  });

  it('names layers whose scope lacks a module by their bias or table', async () => {
    const named = (op: string, inputs: string[], output: string, name: string) => ({
      ...node(op, inputs, [output]),
      name,
    });
    const { layers } = await discover(
      [
        named('MatMul', ['x', 'onnx::MatMul_7'], 'h', '/dec/q/MatMul'),
        named('Add', ['h', 'model.dec.q.bias'], 'a', '/dec/q/Add'),
        named('Gather', ['model.dec.wpe.weight', 'ids'], 'rows', '/dec/wpe/Gather'),
        named('Add', ['a', 'rows'], 'b', '/dec/Add'),
        named('MatMul', ['b', 'onnx::MatMul_8'], 'c', '/dec/k/MatMul'),
        named('Add', ['c', 'norm.bias'], 'd', '/norm/Add'),
        named('MatMul', ['d', 'onnx::MatMul_9'], 'e', '/dec/MatMul'),
        named('Add', ['e', 'dec.proj.bias'], 'y', '/dec/Add_1'),
      ],
      {
        'onnx::MatMul_7': weight([3, 4]),
        'model.dec.q.bias': weight([4]),
        'model.dec.wpe.weight': weight([6, 4]),
        ids: tensor.intTensor([3, 1, 3, 1], [BATCH, 2]),
        'onnx::MatMul_8': weight([4, 4]),
        'norm.bias': weight([4]),
        'onnx::MatMul_9': weight([4, 4]),
        'dec.proj.bias': weight([4]),
      },
      [BATCH, 2, 3],
    );
    assert.deepEqual(
      layers.map(({ name }) => name),
      ['model.dec.q', 'model.dec.wpe', 'dec.k', 'dec.proj'],
    );
  });

  it('gives a grouped convolution the dimensions of one block', async () => {
    const { layers } = await discover(
      [
        node('Conv', ['x', 'conv.weight', 'conv.bias'], ['h'], { group: int(2) }),
        node('Relu', ['h'], ['y']),
      ],
      { 'conv.weight': weight([6, 2, 3, 2]), 'conv.bias': weight([6]) },
      [BATCH, 4, 5, 6],
    );
    const [layer] = layers;
    assert.deepEqual(
      [layer?.outDim, layer?.inDim, layer?.groups, layer?.positions, layer?.params],
      [3, 12, 2, 15, 72],
    );
  });

  it('reads ConvTranspose as [out * kernel columns of its input channels]', async () => {
    const { layers } = await discover(
      [node('ConvTranspose', ['x', 'up.weight'], ['y'], { strides: ints([2]) })],
      { 'up.weight': weight([4, 3, 2]) },
      [BATCH, 4, 5],
    );
    const [layer] = layers;
    assert.deepEqual(
      [layer?.op, layer?.outDim, layer?.inDim, layer?.positions],
      ['ConvTranspose', 3, 8, 10],
    );
  });

  it('sums the uses of a tied weight, also where each use transposes it anew', async () => {
    const { layers } = await discover(
      [
        node('Transpose', ['w.weight'], ['t1'], { perm: ints([1, 0]) }),
        node('Transpose', ['w.weight'], ['t2'], { perm: ints([1, 0]) }),
        node('MatMul', ['x', 't1'], ['h1']),
        node('Relu', ['h1'], ['r']),
        node('MatMul', ['r', 't2'], ['h2']),
        node('Gemm', ['h2', 'w.weight'], ['y'], { transB: int(1) }),
      ],
      { 'w.weight': weight([3, 3]) },
      [BATCH, 3],
    );
    assert.equal(layers.length, 1);
    assert.equal(layers[0]?.name, 'w');
    assert.equal(layers[0]?.weight, 'w.weight');
    assert.equal(layers[0]?.uses.length, 3);
    assert.equal(layers[0]?.positions, 3);
    // The weight meets its own output: no longer linear in it.
    assert.equal(layers[0]?.piecewiseLinear, false);
  });

  it('refuses a weight that is used both as W and as its transpose', async () => {
    const { layers, skipped } = await discover(
      [
        node('Gemm', ['x', 'w.weight'], ['h'], { transB: int(1) }),
        node('Gemm', ['h', 'w.weight'], ['y']),
      ],
      { 'w.weight': weight([3, 3]) },
      [BATCH, 3],
    );
    assert.equal(layers.length, 0);
    assert.match(skipped[0]?.reason ?? '', /'w.weight' is used in different orientations/);
  });

  it('tells smooth from piecewise linear downstream', async () => {
    const { layers } = await discover(
      [
        node('Gemm', ['x', 'a.weight'], ['h1']),
        node('Tanh', ['h1'], ['t']),
        node('Gemm', ['t', 'b.weight'], ['h2']),
        node('Relu', ['h2'], ['r']),
        node('Add', ['r', 'h2'], ['y']),
      ],
      { 'a.weight': weight([3, 4]), 'b.weight': weight([4, 4], 2) },
      [BATCH, 3],
    );
    assert.deepEqual(
      layers.map(({ name, piecewiseLinear }) => [name, piecewiseLinear]),
      [
        ['a', false],
        ['b', true],
      ],
    );
  });

  it('names an op without a rule and the layers that it blocks, and keeps the others', async () => {
    const { layers, skipped, unsupported } = await discover(
      [
        node('Gemm', ['x', 'a.weight'], ['h1']),
        node('Gemm', ['h1', 'b.weight'], ['h2']),
        node('CenterCropPad', ['h2', 'width'], ['s'], { axes: ints([1]) }),
        node('Gemm', ['s', 'c.weight'], ['y']),
      ],
      {
        'a.weight': weight([3, 4]),
        'b.weight': weight([4, 4]),
        'c.weight': weight([4, 2]),
        width: tensor.intTensor([4]),
      },
      [BATCH, 3],
    );
    assert.deepEqual(
      layers.map(({ name }) => name),
      ['c'],
    );
    assert.deepEqual(unsupported, [{ op: 'CenterCropPad', node: 's', blocks: ['a', 'b'] }]);
    assert.match(
      skipped.find(({ name }) => name === 'a')?.reason ?? '',
      /unsupported op CenterCropPad in node 's' \(opset 20\), between layer 'a' and the output/,
    );
  });

  it('ignores products of two activations and weights that the output does not depend on', async () => {
    const { layers, skipped } = await discover(
      [
        node('Transpose', ['x'], ['xt'], { perm: ints([1, 0]) }),
        node('MatMul', ['x', 'xt'], ['gram']),
        node('Gemm', ['x', 'dead.weight'], ['unused']),
        node('Gemm', ['gram', 'a.weight'], ['y']),
      ],
      { 'dead.weight': weight([3, 4]), 'a.weight': weight([BATCH, 4]) },
      [BATCH, 3],
    );
    assert.deepEqual(
      layers.map(({ name }) => name),
      ['a'],
    );
    assert.deepEqual(skipped, []);
  });

  it('gives layers with the same name numbers', async () => {
    const named = (output: string, input: string, value: string): Node => ({
      ...node('MatMul', [input, value], [output]),
      name: '/fc/MatMul',
    });
    const { layers } = await discover(
      [named('h', 'x', 'v1'), { ...named('y', 'h', 'v2'), name: '/fc/MatMul_1' }],
      { v1: weight([3, 3]), v2: weight([3, 3], 2) },
      [BATCH, 3],
    );
    assert.deepEqual(
      layers.map(({ name }) => name),
      ['fc', 'fc.2'],
    );
  });

  it('resolves auto_pad', async () => {
    const { layers } = await discover(
      [
        node('Conv', ['x', 'conv.weight'], ['y'], {
          auto_pad: string('SAME_UPPER'),
          strides: ints([2, 2]),
        }),
      ],
      { 'conv.weight': weight([2, 1, 3, 3]) },
      [BATCH, 1, 5, 5],
    );
    assert.equal(layers[0]?.positions, 9);
  });

  it('takes a Gather of rows as an embedding, apart from the linear layer of the same weight', async () => {
    const scopes = new Map([['pkg.torch.onnx.name_scopes', "['', 'wte', 'embedding']"]]);
    const columns = tensor.intTensor([0, 2, 1]);
    const table = weight([5, 3]);
    const { layers } = await discover(
      [
        node('ArgMax', ['x'], ['ids'], { axis: int(-1), keepdims: int(0) }),
        { ...node('Gather', ['head.weight', 'ids'], ['h']), metadata: scopes },
        node('Gather', ['h', 'columns'], ['p'], { axis: int(-1) }),
        node('Transpose', ['head.weight'], ['t'], { perm: ints([1, 0]) }),
        node('MatMul', ['p', 't'], ['y']),
      ],
      { 'head.weight': table, columns },
      [BATCH, 4, 5],
    );
    assert.deepEqual(
      layers.map(({ name, op, outDim, inDim, positions, tiedTo }) => [
        name,
        op,
        outDim,
        inDim,
        positions,
        tiedTo,
      ]),
      [
        ['wte', 'Gather', 3, 5, 4, 'head'],
        ['head', 'MatMul', 5, 3, 4, 'wte'],
      ],
    );
  });
});
