// Ops that pick or overwrite elements by index tensors.
import { int, intAttribute, string, stringAttribute } from '../attributes.js';
import { elementCount } from '../graph.js';
import { floatTensor, intTensor } from '../tensor.js';
import { gather } from './gather.js';
import { type IndexedRows, scatteredRows, withoutRows, zeros } from './indexed-rows.js';
import type { OpRule, Vjp, VjpContext } from './op-rule.js';
import { input, widthOf } from './pointwise.js';
import { reverseSequence } from './reverse-sequence.js';
import { forColumns, gatherElements, scatterElements } from './scatter-elements.js';
import { extremeVjp, type Indexing, productVjp, scatterLinearity } from './scatter-reductions.js';

/**
 * What the index tuples of GatherND and ScatterND name, as rows of the data seen as
 * [C, indexed axes together, the rest], and their numbers [count].
 */
function tuples(c: VjpContext, batchAxes: number): { rows: IndexedRows; indices: string } {
  const { build, type } = c;
  const data = type(input(c, 0)).shape;
  const { shape } = type(input(c, 1));
  const width = shape.at(-1) ?? 0;
  const indexed = data.slice(batchAxes, batchAxes + width);
  const size = elementCount(indexed);
  const strides = indexed.map((_, axis) => elementCount(indexed.slice(axis + 1)));
  const batches = elementCount(data.slice(0, batchAxes));
  const each = elementCount(shape.slice(batchAxes, -1));
  const given = build.reshape(input(c, 1), [batches, each, width]);
  const negative = build.emit('Less', [given, build.ints([0])]);
  const wrapped = build.emit('Add', [given, build.ints(indexed)]);
  const numbers = build.emit('Mul', [
    build.emit('Where', [negative, wrapped, given]),
    build.ints(strides),
  ]);
  const within = build.emit('ReduceSum', [numbers, build.ints([2])], { keepdims: int(0) });
  const starts = Array.from({ length: batches }, (_, batch) => batch * size);
  const numbered = build.emit('Add', [within, build.constant(intTensor(starts, [batches, 1]))]);
  return {
    indices: build.reshape(numbered, [batches * each]),
    rows: {
      before: c.columns,
      size: batches * size,
      after: elementCount(data.slice(batchAxes + width)),
      count: batches * each,
      dtype: widthOf(c, input(c, 0)),
    },
  };
}

const gatherNdVjp: Vjp = (c, [g]) => {
  if (g === undefined || !c.wants(0)) return [];
  const { rows, indices } = tuples(c, intAttribute(c.node, 'batch_dims', 0));
  const values = c.build.reshape(g, [rows.before, rows.count, rows.after]);
  const pulled = scatteredRows(c.build, values, indices, rows);
  return [c.build.reshape(pulled, [c.columns, ...c.type(input(c, 0)).shape])];
};

const scatterNdVjp: Vjp = (c, [g]) => {
  if (g === undefined) return [];
  const { build, columns, type } = c;
  const reduction = stringAttribute(c.node, 'reduction', 'none');
  const { rows, indices } = tuples(c, 0);
  const flat = (cotangent: string) =>
    build.reshape(cotangent, [rows.before, rows.size, rows.after]);
  const kept = () =>
    build.reshape(withoutRows(build, flat(g), indices, rows), [
      columns,
      ...type(input(c, 0)).shape,
    ]);
  const picked = (cotangent: string) =>
    build.reshape(build.emit('Gather', [flat(cotangent), indices], { axis: int(1) }), [
      columns,
      ...type(input(c, 2)).shape,
    ]);
  const index = input(c, 1);
  const tuplesOfIndices: Indexing = {
    gather: (value) => build.emit('GatherND', [value, index]),
    scatter: (into, updates, how) =>
      build.emit('ScatterND', [into, index, updates], { reduction: string(how) }),
    picked,
  };
  if (reduction === 'max' || reduction === 'min') return extremeVjp(c, g, tuplesOfIndices);
  if (reduction === 'mul') return productVjp(c, g, tuplesOfIndices);
  return [
    c.wants(0) ? (reduction === 'add' ? g : kept()) : undefined,
    undefined,
    c.wants(2) ? picked(g) : undefined,
  ];
};

/** The cotangents of the values go back to where the values came from; the indices carry none. */
const topKVjp: Vjp = (c, [g]) => {
  if (g === undefined || !c.wants(0)) return [];
  const { build, columns, type } = c;
  const { shape } = type(input(c, 0));
  const given = intAttribute(c.node, 'axis', -1);
  const axis = (given < 0 ? given + shape.length : given) + 1;
  const values = type(c.node.outputs[0] ?? '').shape;
  const indices = forColumns(build, c.output(1), values, columns);
  const into = zeros(build, [columns, ...shape], widthOf(c, input(c, 0)));
  return [build.emit('ScatterElements', [into, indices, g], { axis: int(axis) })];
};

/** Of the two values the second is where the indices point, the first everywhere else. */
const oneHotVjp: Vjp = (c, [g]) => {
  if (g === undefined || !c.wants(2)) return [];
  const { build, columns, node } = c;
  const unit = build.constant(floatTensor([0, 1], [2], widthOf(c, input(c, 2))));
  const hot = build.emit('OneHot', [input(c, 0), input(c, 1), unit], node.attributes);
  const rank = c.type(node.outputs[0] ?? '').shape.length;
  const axes = build.ints(Array.from({ length: rank }, (_, axis) => axis + 1));
  const total = (value: string) =>
    build.reshape(build.emit('ReduceSum', [value, axes], { keepdims: int(0) }), [columns, 1]);
  const on = total(build.scaled(g, hot));
  const off = build.emit('Sub', [total(g), on]);
  return [undefined, undefined, build.emit('Concat', [off, on], { axis: int(1) })];
};

const gatherNd: OpRule = {
  op: 'GatherND',
  vjp: gatherNdVjp,
  linearity: 'linear',
  examples: [
    {
      name: 'rows, repeated',
      inputs: [{ shape: [3, 2, 4] }, intTensor([2, 0, -1, 1, 2, 0], [3, 2])],
    },
    {
      name: 'batch axis',
      attributes: { batch_dims: int(1) },
      inputs: [{ shape: [2, 3, 2] }, intTensor([2, 0, 0, 2, 1, 1, -1, 0], [2, 4, 1])],
    },
  ],
};

const scatterNd: OpRule = {
  op: 'ScatterND',
  vjp: scatterNdVjp,
  linearity: scatterLinearity,
  examples: [
    {
      name: 'overwrite rows',
      inputs: [{ shape: [4, 2, 3] }, intTensor([3, 0, 1, 1], [2, 2]), { shape: [2, 3] }],
    },
    {
      name: 'add, repeated',
      attributes: { reduction: string('add') },
      inputs: [{ shape: [4, 3] }, intTensor([1, -1, 1], [3, 1]), { shape: [3, 3] }],
    },
    {
      name: 'product, repeated',
      attributes: { reduction: string('mul') },
      inputs: [
        { shape: [4, 3], range: [0.5, 1.5] },
        intTensor([1, -1, 1], [3, 1]),
        { shape: [3, 3], range: [-1.5, -0.5] },
      ],
    },
    {
      name: 'product with zeros in the data',
      attributes: { reduction: string('mul') },
      inputs: [
        floatTensor([0, 1.5, -0.5, 0], [4], 'float64'),
        intTensor([1, -1, 1, 2], [4, 1]),
        { shape: [4] },
      ],
    },
    {
      name: 'product with zeros in the updates',
      attributes: { reduction: string('mul') },
      inputs: [
        { shape: [4] },
        intTensor([1, -1, 1, 2, -1], [5, 1]),
        floatTensor([0, 0, 1.5, -0.5, 0], [5], 'float64'),
      ],
    },
    {
      name: 'largest, repeated',
      attributes: { reduction: string('max') },
      inputs: [
        { shape: [3, 2], distinct: true },
        intTensor([1, -1, 1], [3, 1]),
        { shape: [3, 2], distinct: true, range: [-0.9, 1.3] },
      ],
    },
  ],
};

const topK: OpRule = {
  op: 'TopK',
  vjp: topKVjp,
  linearity: 'piecewise-linear',
  upgrade: (node, opset, context) => {
    if (opset >= 10) return [node];
    const k = context.constant(intTensor([intAttribute(node, 'k', 1)]));
    const { k: _, ...attributes } = node.attributes;
    return [{ ...node, inputs: [...node.inputs, k], attributes }];
  },
  examples: [
    { name: 'largest', inputs: [{ shape: [3, 5], distinct: true }, intTensor([2])], outputs: 2 },
    {
      name: 'smallest of another axis',
      attributes: { axis: int(0), largest: int(0) },
      inputs: [{ shape: [4, 3], distinct: true }, intTensor([2])],
      outputs: 2,
    },
  ],
};

const oneHot: OpRule = {
  op: 'OneHot',
  vjp: oneHotVjp,
  linearity: 'linear',
  examples: [
    {
      name: 'classes',
      inputs: [intTensor([2, 0, -1]), intTensor([3], []), { shape: [2], dtype: 'float32' }],
    },
    {
      name: 'along the first axis, one index out of range',
      attributes: { axis: int(0) },
      inputs: [
        intTensor([2, 7, 0, 1], [2, 2]),
        intTensor([4], []),
        { shape: [2], dtype: 'float32' },
      ],
    },
  ],
};

/** start + i * step. Values whose number depends on the data are not known at all, so the step does not either. */
const rangeVjp: Vjp = (c, [g]) => {
  if (g === undefined || !c.wants(0)) return [];
  return [c.build.emit('ReduceSum', [g, c.build.ints([1])], { keepdims: int(0) })];
};

const range: OpRule = {
  op: 'Range',
  vjp: rangeVjp,
  // Their number jumps with the start.
  linearity: 'piecewise-linear',
  examples: [
    {
      name: 'start',
      inputs: [
        { shape: [], range: [0.3, 0.4] },
        floatTensor([4.8], [], 'float64'),
        floatTensor([1], [], 'float64'),
      ],
    },
    {
      name: 'integers',
      inputs: [intTensor([0], []), intTensor([5], []), intTensor([1], [])],
    },
  ],
};

/** Gathers, scatters and others of indices, in the table's order. */
export const INDEX_RULES: readonly OpRule[] = [
  gather,
  gatherElements,
  scatterElements,
  gatherNd,
  scatterNd,
  topK,
  oneHot,
  range,
  reverseSequence,
];
