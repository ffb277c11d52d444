// MatMul of any rank: stacks of matrices, broadcast stack axes, vectors on either side.
import { int } from '../attributes.js';
import { elementCount } from '../graph.js';
import { floatTensor } from '../tensor.js';
import { sumToShape } from '../unbroadcast.js';
import { foldable, permuted, reshaped } from './constant-tensor.js';
import { swapLast } from './gemm.js';
import type { OpRule, Vjp, VjpContext } from './op-rule.js';

/** Both operands and the output with vectors made matrices: A [...stackA, m, k], B [...stackB, k, n]. */
interface Product {
  readonly context: VjpContext;
  readonly stackA: readonly number[];
  readonly stackB: readonly number[];
  readonly stack: readonly number[];
  readonly m: number;
  readonly k: number;
  readonly n: number;
  /** The cotangent, [C, ...stack, m, n]. */
  readonly g: string;
}

const vjp: Vjp = (context, [g]) => {
  if (g === undefined) return [];
  const { node, build, columns, type } = context;
  const a = type(node.inputs[0] ?? '').shape;
  const b = type(node.inputs[1] ?? '').shape;
  const out = type(node.outputs[0] ?? '').shape;
  const [m, n] = [a.length === 1 ? 1 : size(a, -2), b.length === 1 ? 1 : size(b, -1)];
  const stack = out.slice(0, out.length - (a.length === 1 ? 0 : 1) - (b.length === 1 ? 0 : 1));
  const full = [columns, ...stack, m, n];
  const product: Product = {
    context,
    stackA: a.slice(0, -2),
    stackB: b.slice(0, -2),
    stack,
    m,
    k: size(a, -1),
    n,
    g: full.length === out.length + 1 ? g : build.reshape(g, full),
  };
  return [
    context.wants(0) ? atOwnShape(context, leftCotangent(product), a) : undefined,
    context.wants(1) ? atOwnShape(context, rightCotangent(product), b) : undefined,
  ];
};

function atOwnShape(context: VjpContext, cotangent: string, shape: readonly number[]): string {
  return shape.length === 1
    ? context.build.reshape(cotangent, [context.columns, ...shape])
    : cotangent;
}

/** g B^T. @returns [C, ...stackA, m, k] */
function leftCotangent(product: Product): string {
  const { context, stackA, stackB, stack, m, k, n, g } = product;
  const { build, columns, node } = context;
  if (stackB.length === 0) {
    // One weight for all rows: a single Gemm.
    const rows = build.reshape(g, [columns * elementCount(stack) * m, n]);
    const pulled = build.emit('Gemm', [rows, asMatrix(context, 1, [k, n])], { transB: int(1) });
    return build.reshape(pulled, [columns, ...stack, m, k]);
  }
  if (stackA.length === 0) {
    // A was broadcast over the whole stack, which is therefore contracted together with n.
    const depth = elementCount(stack);
    const wide = build.reshape(g, [columns, depth, m, n]);
    const left = build.reshape(transpose(build, wide, [0, 2, 1, 3]), [columns, m, depth * n]);
    const right = build.reshape(node.inputs[1] ?? '', [depth, k, n]);
    const tall = build.reshape(transpose(build, right, [0, 2, 1]), [depth * n, k]);
    return build.emit('MatMul', [left, tall]);
  }
  const pulled = build.emit('MatMul', [g, transposed(context, 1, [...stackB, k, n])]);
  return sumToShape(build, pulled, [...stack, m, k], [...stackA, m, k]);
}

/** A^T g. @returns [C, ...stackB, k, n] */
function rightCotangent(product: Product): string {
  const { context, stackA, stackB, stack, m, k, n, g } = product;
  const { build, columns, node } = context;
  if (stackB.length === 0) {
    // B was broadcast over the whole stack, which is therefore contracted together with m.
    const rows = elementCount(stack) * m;
    const left = build.reshape(node.inputs[0] ?? '', [rows, k]);
    if (columns === 1) {
      const right = build.reshape(g, [rows, n]);
      return build.reshape(build.emit('Gemm', [left, right], { transA: int(1) }), [1, k, n]);
    }
    return build.emit('MatMul', [swapLast(build, left, 2), build.reshape(g, [columns, rows, n])]);
  }
  const pulled = build.emit('MatMul', [transposed(context, 0, [...stackA, m, k]), g]);
  return sumToShape(build, pulled, [...stack, k, n], [...stackB, k, n]);
}

/** Input `index`, a vector made a matrix. */
function asMatrix(context: VjpContext, index: number, shape: readonly number[]): string {
  const value = context.node.inputs[index] ?? '';
  return context.type(value).shape.length === 1 ? context.build.reshape(value, shape) : value;
}

/** Input `index` of matrix shape `shape` with its last two axes swapped; a constant at build time. */
function transposed(context: VjpContext, index: number, shape: readonly number[]): string {
  const rank = shape.length;
  const constant = foldable(context, index);
  if (constant === undefined) return swapLast(context.build, asMatrix(context, index, shape), rank);
  const axes = Array.from({ length: rank }, (_, axis) => axis);
  const swapped = [...axes.slice(0, -2), rank - 1, rank - 2];
  return context.build.constant(permuted(reshaped(constant, shape), swapped));
}

function transpose(
  build: VjpContext['build'],
  value: string,
  permutation: readonly number[],
): string {
  return build.emit('Transpose', [value], { perm: { kind: 'ints', value: permutation } });
}

function size(shape: readonly number[], axis: -1 | -2): number {
  return shape.at(axis) ?? 1;
}

export const matMul: OpRule = {
  op: 'MatMul',
  vjp,
  linearity: (_node, [a, b]) => (a === true && b === true ? 'smooth' : 'linear'),
  examples: [
    { name: 'matrices', inputs: [{ shape: [5, 4] }, { shape: [4, 3] }] },
    { name: 'tokens times a weight', inputs: [{ shape: [2, 5, 4] }, { shape: [4, 3] }] },
    {
      name: 'tokens times a constant',
      inputs: [{ shape: [2, 4, 2] }, floatTensor([0.5, -1, 2, 0.25, 1, -0.75], [2, 3], 'float64')],
    },
    { name: 'a weight on the left', inputs: [{ shape: [3, 4] }, { shape: [2, 4, 5] }] },
    { name: 'attention: stacks', inputs: [{ shape: [2, 3, 4, 5] }, { shape: [2, 3, 5, 4] }] },
    { name: 'broadcast stacks', inputs: [{ shape: [2, 1, 4, 5] }, { shape: [3, 5, 2] }] },
    { name: 'vector on the left', inputs: [{ shape: [4] }, { shape: [2, 4, 3] }] },
    { name: 'vector on the right', inputs: [{ shape: [2, 3, 4] }, { shape: [4] }] },
    { name: 'matrix and vector', inputs: [{ shape: [3, 4] }, { shape: [4] }] },
    { name: 'vectors', inputs: [{ shape: [4] }, { shape: [4] }] },
  ],
};
