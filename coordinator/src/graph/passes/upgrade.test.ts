// Nodes of older opsets and what they are upgraded to must compute the same.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { assertClose } from '../../testing/closeness.js';
import { ortEvaluator } from '../../testing/ort-evaluator.js';
import { graph, info, node } from '../../testing/small-graph.js';
import { float, int, ints, string } from '../attributes.js';
import { encodeModel } from '../codec/encode-model.js';
import { ModelError } from '../codec/model-error.js';
import { type Attributes, elementCount, type Graph, type Tensor } from '../graph.js';
import { printed } from '../printed.js';
import { boolTensor, floatTensor, intTensor } from '../tensor.js';
import { upgrade } from './upgrade.js';

interface OldNode {
  readonly op: string;
  readonly opset: number;
  readonly what?: string;
  readonly attributes?: Attributes;
  /** Shape of the data, the node's first input. */
  readonly data: readonly number[];
  /** Initializers: the other inputs. */
  readonly rest?: readonly (Tensor | undefined)[];
  readonly outputs?: number;
}

const sizes = (...values: number[]) => intTensor(values);
const scales = (...values: number[]) => floatTensor(values, [values.length]);
const empty = floatTensor([], [0]);
const k22 = { kernel_shape: ints([2, 2]), strides: ints([2, 2]) };
const statistics = [scales(1, 2), scales(0, -1), scales(0.5, 0), scales(1, 4)];

const CASES: readonly OldNode[] = [
  { op: 'Squeeze', opset: 9, attributes: { axes: ints([1]) }, data: [2, 1, 3] },
  { op: 'Squeeze', opset: 12, attributes: { axes: ints([-2]) }, data: [2, 1, 3] },
  { op: 'Squeeze', opset: 11, what: 'all', data: [2, 1, 3, 1] },
  { op: 'Unsqueeze', opset: 9, attributes: { axes: ints([0, 3]) }, data: [2, 3] },
  { op: 'Unsqueeze', opset: 12, attributes: { axes: ints([-1]) }, data: [2, 3] },
  ...['ReduceSum', 'ReduceMean', 'ReduceMax', 'ReduceMin', 'ReduceL2', 'ReduceLogSumExp'].flatMap(
    (op): OldNode[] => [
      { op, opset: 9, attributes: { axes: ints([0, 2]), keepdims: int(0) }, data: [2, 3, 4] },
      { op, opset: 12, attributes: { axes: ints([-1]) }, data: [2, 3, 4] },
      { op, opset: 11, what: 'all', data: [2, 3] },
    ],
  ),
  { op: 'ReduceMean', opset: 17, attributes: { axes: ints([1]) }, data: [2, 3] },
  { op: 'ReduceMax', opset: 17, attributes: { axes: ints([-1]) }, data: [2, 3] },
  { op: 'ReduceSum', opset: 13, data: [2, 3], rest: [sizes(1)] },
  {
    op: 'Slice',
    opset: 9,
    attributes: {
      starts: ints([1, -3]),
      ends: ints([Number(2n ** 63n - 1n), -1]),
      axes: ints([0, 2]),
    },
    data: [3, 2, 4],
  },
  {
    op: 'Slice',
    opset: 9,
    what: 'no axes',
    attributes: { starts: ints([1]), ends: ints([2]) },
    data: [3, 2],
  },
  { op: 'Slice', opset: 10, data: [3, 4], rest: [sizes(0), sizes(3), sizes(1), sizes(2)] },
  {
    op: 'Pad',
    opset: 9,
    attributes: { pads: ints([0, 1, 2, 0]), value: float(0.5) },
    data: [2, 3],
  },
  {
    op: 'Pad',
    opset: 10,
    attributes: { pads: ints([0, 1, 0, 1]), mode: string('reflect'), value: float(0) },
    data: [2, 3],
  },
  { op: 'Pad', opset: 9, what: 'cut', attributes: { pads: ints([0, -1, 0, 1]) }, data: [2, 3] },
  { op: 'Pad', opset: 11, data: [2, 3], rest: [sizes(1, 0, 0, 1), floatTensor([2], [])] },
  { op: 'Clip', opset: 9, attributes: { min: float(-0.25), max: float(0.5) }, data: [3, 4] },
  { op: 'Clip', opset: 10, what: 'below', attributes: { min: float(0) }, data: [3, 4] },
  { op: 'Clip', opset: 6, what: 'no bounds', data: [3, 4] },
  { op: 'Clip', opset: 11, data: [3, 4], rest: [undefined, floatTensor([0.1], [])] },
  { op: 'Dropout', opset: 9, attributes: { ratio: float(0.3) }, data: [3, 4] },
  { op: 'Dropout', opset: 12, data: [3, 4], rest: [floatTensor([0.3], [])] },
  {
    op: 'Dropout',
    opset: 13,
    what: 'not training',
    data: [3, 4],
    rest: [floatTensor([0.3], []), boolTensor([false], [])],
  },
  {
    op: 'BatchNormalization',
    opset: 9,
    attributes: { epsilon: float(0.01), momentum: float(0.9) },
    data: [2, 2, 3],
    rest: statistics,
  },
  {
    op: 'BatchNormalization',
    opset: 14,
    attributes: { training_mode: int(0) },
    data: [2, 2, 3],
    rest: statistics,
  },
  ...['Softmax', 'LogSoftmax', 'Hardmax'].flatMap((op): OldNode[] => [
    { op, opset: 9, data: [2, 3] },
    { op, opset: 11, what: 'flattened', data: [2, 3, 2] },
    { op, opset: 9, what: 'all', attributes: { axis: int(0) }, data: [2, 3] },
    { op, opset: 12, what: 'last', attributes: { axis: int(3) }, data: [2, 2, 3, 4] },
    { op, opset: 11, what: 'negative', attributes: { axis: int(-1) }, data: [2, 2, 3] },
    { op, opset: 11, what: 'inner', attributes: { axis: int(-2) }, data: [2, 2, 3] },
    { op, opset: 13, what: 'one axis', attributes: { axis: int(1) }, data: [2, 2, 3] },
  ]),
  {
    op: 'Split',
    opset: 9,
    attributes: { axis: int(1), split: ints([1, 3]) },
    data: [2, 4],
    outputs: 2,
  },
  { op: 'Split', opset: 11, what: 'even', attributes: { axis: int(-1) }, data: [2, 4], outputs: 2 },
  { op: 'Split', opset: 13, data: [4, 2], rest: [sizes(1, 3)], outputs: 2 },
  { op: 'Split', opset: 17, what: 'even', data: [4, 2], outputs: 2 },
  { op: 'Upsample', opset: 9, data: [1, 2, 2, 3], rest: [scales(1, 1, 2, 3)] },
  {
    op: 'Upsample',
    opset: 9,
    what: 'linear',
    attributes: { mode: string('linear') },
    data: [1, 2, 2, 3],
    rest: [scales(1, 1, 2, 2)],
  },
  { op: 'Resize', opset: 10, data: [1, 2, 2, 3], rest: [scales(1, 1, 2, 2)] },
  {
    op: 'Resize',
    opset: 10,
    what: 'shrinking',
    data: [1, 1, 5, 4],
    rest: [scales(1, 1, 0.5, 0.6)],
  },
  {
    op: 'Resize',
    opset: 10,
    what: 'linear',
    attributes: { mode: string('linear') },
    data: [1, 1, 4, 4],
    rest: [scales(1, 1, 1.5, 0.5)],
  },
  {
    op: 'Resize',
    opset: 11,
    what: 'sizes',
    attributes: {
      coordinate_transformation_mode: string('asymmetric'),
      nearest_mode: string('floor'),
    },
    data: [1, 2, 2, 3],
    rest: [empty, empty, sizes(1, 2, 4, 9)],
  },
  { op: 'Resize', opset: 11, data: [1, 2, 2, 3], rest: [empty, scales(1, 1, 2, 2)] },
  {
    op: 'Resize',
    opset: 11,
    what: 'cubic',
    attributes: { mode: string('cubic'), cubic_coeff_a: float(-0.5) },
    data: [1, 1, 4, 4],
    rest: [empty, scales(1, 1, 2, 2)],
  },
  { op: 'MaxPool', opset: 9, attributes: k22, data: [1, 2, 4, 4] },
  {
    op: 'MaxPool',
    opset: 10,
    attributes: { ...k22, ceil_mode: int(1), pads: ints([1, 0, 0, 1]) },
    data: [1, 2, 5, 4],
  },
  {
    op: 'AveragePool',
    opset: 9,
    attributes: { ...k22, count_include_pad: int(1), pads: ints([1, 1, 0, 0]) },
    data: [1, 2, 5, 5],
  },
  { op: 'AveragePool', opset: 10, attributes: { ...k22, ceil_mode: int(1) }, data: [1, 2, 5, 5] },
  {
    op: 'AveragePool',
    opset: 11,
    what: 'ceil_mode and pads counted',
    attributes: { ...k22, ceil_mode: int(1), count_include_pad: int(1), pads: ints([1, 1, 1, 1]) },
    data: [1, 2, 5, 4],
  },
  {
    op: 'AveragePool',
    opset: 11,
    attributes: { ...k22, auto_pad: string('SAME_UPPER') },
    data: [1, 2, 5, 4],
  },
  { op: 'Flatten', opset: 9, attributes: { axis: int(2) }, data: [2, 3, 4] },
  { op: 'Reshape', opset: 9, data: [2, 6], rest: [sizes(0, 3, -1)] },
  {
    op: 'Reshape',
    opset: 14,
    attributes: { allowzero: int(0) },
    data: [2, 6],
    rest: [sizes(0, -1)],
  },
  { op: 'Expand', opset: 9, data: [2, 1], rest: [sizes(3, 2, 4)] },
  { op: 'Gather', opset: 9, attributes: { axis: int(1) }, data: [2, 4], rest: [sizes(3, 0)] },
  { op: 'Tile', opset: 9, data: [2, 1], rest: [sizes(1, 3)] },
  { op: 'Cast', opset: 9, attributes: { to: int(7) }, data: [2, 3] },
  { op: 'Pow', opset: 9, data: [2, 3], rest: [floatTensor([2], [])] },
  { op: 'Shape', opset: 9, data: [2, 3] },
  { op: 'Shape', opset: 15, attributes: { start: int(-1) }, data: [2, 3] },
  { op: 'PRelu', opset: 9, data: [2, 3], rest: [scales(0.1, 0.2, 0.3)] },
  { op: 'Add', opset: 9, data: [2, 3], rest: [scales(1, 2, 3)] },
  { op: 'Sum', opset: 9, data: [2, 3], rest: [scales(1, 2, 3)] },
  { op: 'Gemm', opset: 9, data: [2, 3], rest: [floatTensor([1, 2, 3], [3, 1]), scales(1)] },
  {
    op: 'TopK',
    opset: 9,
    attributes: { k: int(2), axis: int(1) },
    data: [2, 4],
    outputs: 2,
  },
  {
    op: 'Scatter',
    opset: 9,
    attributes: { axis: int(1) },
    data: [2, 3],
    rest: [intTensor([1, 2], [2, 1]), floatTensor([5, 6], [2, 1])],
  },
  {
    op: 'GridSample',
    opset: 16,
    attributes: { mode: string('bicubic') },
    data: [1, 1, 3, 3],
    rest: [floatTensor([-0.5, 0.2, 0.1, 0.7], [1, 1, 2, 2])],
  },
  {
    op: 'RoiAlign',
    opset: 10,
    attributes: { output_height: int(2), output_width: int(2) },
    data: [1, 1, 6, 6],
    rest: [floatTensor([0.2, 0.4, 3.5, 4.1], [1, 4]), intTensor([0])],
  },
  { op: 'DFT', opset: 17, attributes: { axis: int(1) }, data: [1, 4, 1] },
];

/** The same irregular values for every case, kinks and ties avoided. */
function data(shape: readonly number[]): Tensor {
  const values = Array.from({ length: elementCount(shape) }, (_, i) => Math.sin(3.7 * i + 0.4));
  return floatTensor(values, shape);
}

function oldGraph({ op, opset, attributes, data: shape, rest = [], outputs = 1 }: OldNode): Graph {
  const names = rest.map((tensor, index) => (tensor === undefined ? '' : `c${index}`));
  const made = Array.from({ length: outputs }, (_, index) => `y${index}`);
  return graph({
    opset,
    irVersion: 4,
    inputs: [info('x', shape)],
    outputs: made.map((name) => info(name)),
    nodes: [node(op, ['x', ...names], made, attributes)],
    initializers: new Map(
      rest.flatMap((tensor, index) => (tensor === undefined ? [] : [[`c${index}`, tensor]])),
    ),
  });
}

async function results(model: Graph, shape: readonly number[]) {
  const names = model.outputs.map((output) => output.name);
  const bytes = encodeModel(model, { untypedOutputs: true });
  return (await ortEvaluator.evaluate(bytes, new Map([['x', data(shape)]]), names)).tensors;
}

describe('upgrade', () => {
  for (const example of CASES) {
    it(`keeps what ${example.op} of opset ${example.opset} computes${example.what === undefined ? '' : ` (${example.what})`}`, async () => {
      const before = oldGraph(example);
      const after = upgrade(before);
      assert.equal(after.opset, 20);
      const [expected, actual] = [
        await results(before, example.data),
        await results(after, example.data),
      ];
      for (const { name } of before.outputs)
        assertClose(actual.get(name), expected.get(name), 1e-6, name);
    });
  }

  it('writes the forms that are expected', () => {
    const before = graph({
      opset: 11,
      inputs: [info('x', ['N', 2, 'T', 4])],
      outputs: [info('y')],
      nodes: [
        node('Relu', ['x'], ['r']),
        node('Softmax', ['r'], ['s'], { axis: int(3) }),
        node('Clip', ['s'], ['c']),
        { ...node('ReduceMean', ['c'], ['m'], { axes: ints([1]) }), opset: 17 },
        node('com.example/Squeeze', ['m'], ['q'], { axes: ints([0]) }),
        node('Squeeze', ['q'], ['y'], { axes: ints([0]) }),
      ],
    });
    assert.equal(
      printed(upgrade(before)),
      `opset 20
input x float32[N,2,T,4]
const kl_constant int64[1] = 1
const kl_constant#2 int64[1] = 0
r = Relu(x)
s = Softmax<axis=-1>(r)
c = Clip(s)
m = ReduceMean(c, kl_constant)
q = com.example.Squeeze<axes=[0]>(m)
y = Squeeze(q, kl_constant#2)
output y float32`,
    );
  });

  it('keeps the opset of a newer model', () => {
    const newer = graph({ opset: 22, inputs: [info('x')], outputs: [info('x')], nodes: [] });
    assert.equal(upgrade(newer).opset, 22);
  });

  for (const [what, opset, outputs, rest] of [
    ['Dropout', 12, ['y'], ['', 'on']],
    ['BatchNormalization', 9, ['y', 'm', 'v', 'sm', 'sv'], ['s', 's', 's', 's']],
    ['BatchNormalization', 15, ['y'], ['s', 's', 's', 's']],
  ] as const) {
    it(`refuses ${what} of opset ${opset} in training mode, naming it`, () => {
      const before = graph({
        opset,
        inputs: [info('x', [2, 1])],
        outputs: [info('y')],
        nodes: [node(what, ['x', ...rest], outputs, opset === 15 ? { training_mode: int(1) } : {})],
        initializers: new Map([
          ['on', boolTensor([true], [])],
          ['s', floatTensor([1], [1])],
        ]),
      });
      assert.throws(
        () => upgrade(before),
        (error) =>
          error instanceof ModelError &&
          error.code === 'unsupported-form' &&
          error.message.startsWith(`${what} 'y': it is in training mode`),
      );
    });
  }
});
