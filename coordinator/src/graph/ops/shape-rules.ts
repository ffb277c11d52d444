// Ops that move, cut and repeat elements: all linear; cotangents carry the column axis in front.
import {
  floatAttribute,
  int,
  intAttribute,
  ints,
  intsAttribute,
  string,
  stringAttribute,
  without,
} from '../attributes.js';
import { floatTensor, intTensor } from '../tensor.js';
import { attributeToInput } from './attribute-to-input.js';
import { constantNumbers as constants } from './constant-input.js';
import type { OpRule, Vjp, VjpContext } from './op-rule.js';
import { copiedPadding } from './padding-modes.js';

const first = (c: VjpContext) => c.type(c.node.inputs[0] ?? '').shape;

const wrap = (axis: number, rank: number) => (axis < 0 ? axis + rank : axis);

/** Any op that only changes the shape: the cotangent takes the input's shape back. */
function reshaping(op: string, examples: OpRule['examples'], upgrade?: OpRule['upgrade']): OpRule {
  const vjp: Vjp = (c, [g]) =>
    g === undefined || !c.wants(0) ? [] : [c.build.reshape(g, [c.columns, ...first(c)])];
  return { op, vjp, linearity: 'linear', examples, ...(upgrade === undefined ? {} : { upgrade }) };
}

const transpose: OpRule = {
  op: 'Transpose',
  vjp: (c, [g]) => {
    if (g === undefined) return [];
    const rank = first(c).length;
    const perm =
      intsAttribute(c.node, 'perm') ?? Array.from({ length: rank }, (_, axis) => rank - 1 - axis);
    const inverse = perm.map((_, axis) => perm.indexOf(axis) + 1);
    return [c.build.emit('Transpose', [g], { perm: ints([0, ...inverse]) })];
  },
  linearity: 'linear',
  examples: [
    { name: 'reversed', inputs: [{ shape: [2, 3, 4] }] },
    { name: 'permuted', attributes: { perm: ints([1, 2, 0]) }, inputs: [{ shape: [2, 3, 4] }] },
  ],
};

const concat: OpRule = {
  op: 'Concat',
  vjp: (c, [g]) => {
    if (g === undefined) return [];
    const axis = wrap(intAttribute(c.node, 'axis', 0), first(c).length);
    let at = 0;
    return c.node.inputs.map((name, index) => {
      const start = at;
      at += c.type(name).shape[axis] ?? 0;
      if (!c.wants(index)) return undefined;
      return c.build.emit('Slice', [
        g,
        c.build.ints([start]),
        c.build.ints([at]),
        c.build.ints([axis + 1]),
      ]);
    });
  },
  linearity: 'linear',
  examples: [
    {
      name: 'last axis',
      attributes: { axis: int(-1) },
      inputs: [{ shape: [2, 3] }, { shape: [2, 1] }, { shape: [2, 2] }],
    },
  ],
};

/** Zeros where an output has no cotangent. */
function zeros(c: VjpContext, shape: readonly number[]): string {
  const dtype = c.type(c.node.inputs[0] ?? '').dtype === 'float64' ? 'float64' : 'float32';
  return c.build.emit('Expand', [c.build.scalar(0, dtype), c.build.ints([c.columns, ...shape])]);
}

const split: OpRule = {
  op: 'Split',
  vjp: (c, cotangents) => {
    if (!c.wants(0)) return [];
    const axis = wrap(intAttribute(c.node, 'axis', 0), first(c).length);
    const parts = c.node.outputs.map(
      (name, index) => cotangents[index] ?? zeros(c, c.type(name).shape),
    );
    return [c.build.emit('Concat', parts, { axis: int(axis + 1) })];
  },
  linearity: 'linear',
  upgrade: (node, opset, context) => {
    const sized = node.attributes.split !== undefined || (node.inputs[1] ?? '') !== '';
    if (opset >= 18 || sized) return attributeToInput('split')(node, opset, context);
    return [{ ...node, attributes: { ...node.attributes, num_outputs: int(node.outputs.length) } }];
  },
  examples: [
    {
      name: 'uneven',
      attributes: { axis: int(1) },
      inputs: [{ shape: [2, 5] }, intTensor([2, 3])],
      outputs: 2,
    },
    {
      name: 'even',
      attributes: { axis: int(-1), num_outputs: int(2) },
      inputs: [{ shape: [2, 4] }],
      outputs: 2,
    },
  ],
};

/** Start, count and step per axis of a Slice, bounds brought into range (ONNX Slice 13). */
function slicePlan(c: VjpContext): { start: number; count: number; step: number }[] {
  const shape = first(c);
  const out = c.type(c.node.outputs[0] ?? '').shape;
  const starts = constants(c, 1) ?? [];
  const axes = constants(c, 3) ?? starts.map((_, axis) => axis);
  const steps = constants(c, 4) ?? starts.map(() => 1);
  return shape.map((size, axis) => {
    const place = axes.findIndex((named) => wrap(named, shape.length) === axis);
    const count = out[axis] ?? 0;
    if (place < 0) return { start: 0, count, step: 1 };
    const step = steps[place] ?? 1;
    const raw = starts[place] ?? 0;
    const from = raw < 0 ? raw + size : raw;
    return { start: Math.max(0, Math.min(from, step > 0 ? size : size - 1)), count, step };
  });
}

/** The cotangent of a Slice: reversed where the step was negative, spread by the step, padded. */
const slice: OpRule = {
  op: 'Slice',
  vjp: (c, [g]) => {
    if (g === undefined || !c.wants(0)) return [];
    const shape = first(c);
    let current = g;
    const sizes = [c.columns, ...c.type(c.node.outputs[0] ?? '').shape];
    const before: number[] = [0];
    const after: number[] = [0];
    slicePlan(c).forEach(({ start, count, step }, axis) => {
      const at = axis + 1;
      if (step < 0) {
        current = c.build.emit('Slice', [
          current,
          c.build.ints([-1]),
          c.build.ints([-(2 ** 31)]),
          c.build.ints([at]),
          c.build.ints([-1]),
        ]);
      }
      const stride = Math.abs(step);
      const spread = count === 0 ? 0 : (count - 1) * stride + 1;
      if (stride > 1 && count > 1) {
        const apart = c.build.reshape(current, [
          ...sizes.slice(0, at),
          count,
          1,
          ...sizes.slice(at + 1),
        ]);
        const rank = sizes.length + 1;
        const pads = Array.from({ length: 2 * rank }, (_, index) =>
          index === rank + at + 1 ? stride - 1 : 0,
        );
        const padded = c.build.reshape(c.build.emit('Pad', [apart, c.build.ints(pads)]), [
          ...sizes.slice(0, at),
          count * stride,
          ...sizes.slice(at + 1),
        ]);
        current = c.build.emit('Slice', [
          padded,
          c.build.ints([0]),
          c.build.ints([spread]),
          c.build.ints([at]),
        ]);
      }
      sizes[at] = spread;
      const low = step < 0 ? start - (spread - 1) : start;
      before.push(count === 0 ? 0 : low);
      after.push((shape[axis] ?? 0) - (count === 0 ? 0 : low) - spread);
    });
    return [c.build.emit('Pad', [current, c.build.ints([...before, ...after])])];
  },
  linearity: 'linear',
  upgrade: (node, _opset, context) => {
    const starts = intsAttribute(node, 'starts');
    const ends = intsAttribute(node, 'ends');
    if (starts === undefined || ends === undefined) return [node];
    const axes = intsAttribute(node, 'axes') ?? starts.map((_, axis) => axis);
    const inputs = [
      node.inputs[0] ?? '',
      ...[starts, ends, axes].map((values) => context.constant(intTensor(values))),
    ];
    return [{ ...node, inputs, attributes: without(node.attributes, 'starts', 'ends', 'axes') }];
  },
  examples: [
    { name: 'two axes', inputs: [{ shape: [4, 5] }, intTensor([1, 0]), intTensor([3, 4])] },
    {
      name: 'steps, open end',
      inputs: [
        { shape: [4, 7] },
        intTensor([1]),
        intTensor([1000]),
        intTensor([-1]),
        intTensor([2]),
      ],
    },
    {
      name: 'backwards',
      inputs: [
        { shape: [6, 2] },
        intTensor([-1]),
        intTensor([-1000]),
        intTensor([0]),
        intTensor([-2]),
      ],
    },
  ],
};

/** Padding by a constant or by copies; negative pads cut. */
const pad: OpRule = {
  op: 'Pad',
  vjp: (c, [g]) => {
    if (g === undefined || !(c.wants(0) || c.wants(2))) return [];
    const mode = stringAttribute(c.node, 'mode', 'constant');
    const rank = first(c).length;
    const given = constants(c, 1) ?? [];
    const axes = constants(c, 3) ?? Array.from({ length: rank }, (_, axis) => axis);
    const back = Array.from({ length: 2 * (rank + 1) }, () => 0);
    axes.forEach((axis, index) => {
      back[wrap(axis, rank) + 1] = -(given[index] ?? 0);
      back[rank + 1 + wrap(axis, rank) + 1] = -(given[axes.length + index] ?? 0);
    });
    if (mode !== 'constant') {
      const before = back.slice(1, rank + 1).map((cut) => -cut);
      return [copiedPadding(c, g, mode, before)];
    }
    const kept = c.build.emit('Pad', [g, c.build.ints(back)]);
    const total = (value: string) => {
      const axes = Array.from({ length: rank }, (_, axis) => axis + 1);
      return c.build.emit('ReduceSum', [value, c.build.ints(axes)], { keepdims: int(0) });
    };
    // The fill value is all that the data do not reach.
    const fill = () =>
      c.build.reshape(c.build.emit('Sub', [total(g), total(kept)]), [
        c.columns,
        ...c.type(c.node.inputs[2] ?? '').shape,
      ]);
    return [kept, undefined, c.wants(2) ? fill() : undefined];
  },
  linearity: 'linear',
  upgrade: (node, _opset, context) => {
    const pads = intsAttribute(node, 'pads');
    if (pads === undefined) return [node];
    // Zero is the default, and has the data's type whatever that is.
    const fill = floatAttribute(node, 'value', 0);
    const value = fill === 0 ? [] : [context.constant(floatTensor([fill], []))];
    return [
      {
        ...node,
        inputs: [node.inputs[0] ?? '', context.constant(intTensor(pads)), ...value],
        attributes: without(node.attributes, 'pads', 'value'),
      },
    ];
  },
  examples: [
    { name: 'both sides', inputs: [{ shape: [2, 3] }, intTensor([1, 0, 2, 1])] },
    { name: 'negative', inputs: [{ shape: [3, 4] }, intTensor([0, -1, 1, -1])] },
    ...['reflect', 'edge', 'wrap'].map((mode) => ({
      name: `by copies, ${mode}`,
      attributes: { mode: string(mode) },
      inputs: [{ shape: [2, 4, 3] }, intTensor([0, 3, 1, 0, 2, 2])],
    })),
    {
      name: 'a fill value that varies',
      inputs: [{ shape: [3, 4] }, intTensor([0, 2, 1, -1]), { shape: [] }],
    },
  ],
};

const expand: OpRule = {
  op: 'Expand',
  broadcasts: true,
  vjp: (_c, [g]) => [g],
  linearity: 'linear',
  examples: [{ name: 'inner and outer', inputs: [{ shape: [3, 1] }, intTensor([2, 3, 4])] }],
};

/** [r0*s0, r1*s1, ...] seen as [r0, s0, r1, s1, ...] and summed over the repeats. */
const tile: OpRule = {
  op: 'Tile',
  vjp: (c, [g]) => {
    if (g === undefined || !c.wants(0)) return [];
    const shape = first(c);
    const repeats = constants(c, 1) ?? [];
    const apart = c.build.reshape(g, [
      c.columns,
      ...shape.flatMap((size, axis) => [repeats[axis] ?? 1, size]),
    ]);
    return [
      c.build.emit('ReduceSum', [apart, c.build.ints(shape.map((_, axis) => 2 * axis + 1))], {
        keepdims: int(0),
      }),
    ];
  },
  linearity: 'linear',
  examples: [{ name: 'both axes', inputs: [{ shape: [2, 3] }, intTensor([3, 2])] }],
};

/** Shape ops, in the table's order. */
export const SHAPE_RULES: readonly OpRule[] = [
  reshaping('Reshape', [
    { name: 'with a free size', inputs: [{ shape: [2, 6] }, intTensor([0, 3, -1])] },
  ]),
  reshaping('Flatten', [
    { name: 'axis 1', attributes: { axis: int(1) }, inputs: [{ shape: [2, 3, 2] }] },
  ]),
  reshaping(
    'Squeeze',
    [{ name: 'one axis', inputs: [{ shape: [2, 1, 3] }, intTensor([1])] }],
    attributeToInput('axes'),
  ),
  reshaping(
    'Unsqueeze',
    [{ name: 'two axes', inputs: [{ shape: [2, 3] }, intTensor([0, -1])] }],
    attributeToInput('axes'),
  ),
  transpose,
  concat,
  split,
  slice,
  pad,
  expand,
  tile,
];
