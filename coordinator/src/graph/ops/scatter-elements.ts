// GatherElements and ScatterElements: each is the other's transpose.
import { int, intAttribute, string, stringAttribute } from '../attributes.js';
import type { GraphBuilder } from '../builder.js';
import { elementCount } from '../graph.js';
import { intTensor } from '../tensor.js';
import { zeros } from './indexed-rows.js';
import type { OpRule, Vjp, VjpContext } from './op-rule.js';
import { extremeVjp, type Indexing, productVjp, scatterLinearity } from './scatter-reductions.js';

/** The same indices for every column: [...s] to [C, ...s]. */
export function forColumns(
  build: GraphBuilder,
  indices: string,
  shape: readonly number[],
  columns: number,
): string {
  const one = build.reshape(indices, [1, ...shape]);
  return columns === 1 ? one : build.emit('Expand', [one, build.ints([columns, ...shape])]);
}

function dtypeOf(context: VjpContext): 'float32' | 'float64' {
  return context.type(context.node.inputs[0] ?? '').dtype === 'float64' ? 'float64' : 'float32';
}

/** The node's axis in a cotangent, and its indices for all columns. */
function indexing(context: VjpContext): { axis: number; indices: string } {
  const { node, build, columns, type } = context;
  const rank = type(node.inputs[0] ?? '').shape.length;
  const axis = intAttribute(node, 'axis', 0);
  const indices = node.inputs[1] ?? '';
  return {
    axis: (axis < 0 ? axis + rank : axis) + 1,
    indices: forColumns(build, indices, type(indices).shape, columns),
  };
}

const gatherVjp: Vjp = (context, [g]) => {
  if (g === undefined || !context.wants(0)) return [];
  const { node, build, columns, type } = context;
  const { axis, indices } = indexing(context);
  const into = zeros(build, [columns, ...type(node.inputs[0] ?? '').shape], dtypeOf(context));
  const attributes = { axis: int(axis), reduction: string('add') };
  return [build.emit('ScatterElements', [into, indices, g], attributes)];
};

const scatterVjp: Vjp = (context, [g]) => {
  if (g === undefined) return [];
  const { node, build, columns, type } = context;
  const { axis, indices } = indexing(context);
  const reduction = stringAttribute(node, 'reduction', 'none');
  const own = { axis: int(intAttribute(node, 'axis', 0)) };
  const index = node.inputs[1] ?? '';
  const picked = (cotangent: string) =>
    build.emit('GatherElements', [cotangent, indices], { axis: int(axis) });
  const elements: Indexing = {
    gather: (value) => build.emit('GatherElements', [value, index], own),
    scatter: (into, updates, how) =>
      build.emit('ScatterElements', [into, index, updates], { ...own, reduction: string(how) }),
    picked,
  };
  if (reduction === 'max' || reduction === 'min') return extremeVjp(context, g, elements);
  if (reduction === 'mul') return productVjp(context, g, elements);
  const overwritten = (): string => {
    const shape = [columns, ...type(node.inputs[1] ?? '').shape];
    const nothing = zeros(build, shape, dtypeOf(context));
    return build.emit('ScatterElements', [g, indices, nothing], { axis: int(axis) });
  };
  return [
    context.wants(0) ? (reduction === 'add' ? g : overwritten()) : undefined,
    undefined,
    context.wants(2) ? picked(g) : undefined,
  ];
};

function indexTensor(shape: readonly number[], size: number) {
  const values = Array.from({ length: elementCount(shape) }, (_, i) => (i * 5 + 2) % size);
  return intTensor(values, shape);
}

export const gatherElements: OpRule = {
  op: 'GatherElements',
  vjp: gatherVjp,
  linearity: 'linear',
  examples: [
    {
      name: 'repeated indices',
      attributes: { axis: int(1) },
      inputs: [{ shape: [3, 4] }, indexTensor([2, 6], 4)],
    },
    {
      name: 'last axis by a negative number',
      attributes: { axis: int(-1) },
      inputs: [{ shape: [2, 3, 4] }, indexTensor([2, 3, 2], 4)],
    },
  ],
};

export const scatterElements: OpRule = {
  op: 'ScatterElements',
  vjp: scatterVjp,
  linearity: scatterLinearity,
  examples: [
    {
      name: 'add, repeated indices',
      attributes: { axis: int(1), reduction: string('add') },
      inputs: [{ shape: [3, 4] }, indexTensor([2, 6], 4), { shape: [2, 6] }],
    },
    {
      name: 'overwrite',
      attributes: { axis: int(0) },
      inputs: [{ shape: [5, 2] }, intTensor([4, 1, 0, 3, 2, 0], [3, 2]), { shape: [3, 2] }],
    },
    {
      name: 'product, repeated indices',
      attributes: { axis: int(1), reduction: string('mul') },
      inputs: [
        { shape: [3, 4], range: [0.5, 1.5] },
        indexTensor([2, 6], 4),
        { shape: [2, 6], range: [-1.5, -0.5] },
      ],
    },
    {
      name: 'smallest, repeated indices',
      attributes: { axis: int(1), reduction: string('min') },
      inputs: [
        { shape: [3, 4], distinct: true },
        indexTensor([3, 6], 4),
        { shape: [3, 6], distinct: true, range: [-0.9, 1.3] },
      ],
    },
  ],
};
