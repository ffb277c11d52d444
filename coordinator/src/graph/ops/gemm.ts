// Gemm: Y = alpha A' B' + beta C, where a prime is an optional transposition.
import { float, floatAttribute, int, intAttribute } from '../attributes.js';
import { floatTensor } from '../tensor.js';
import { sumToShape } from '../unbroadcast.js';
import type { OpRule, Vjp, VjpContext } from './op-rule.js';

const vjp: Vjp = (context, [g]) => {
  if (g === undefined) return [];
  const { node, build } = context;
  const alpha = floatAttribute(node, 'alpha', 1);
  const beta = floatAttribute(node, 'beta', 1);
  const transA = intAttribute(node, 'transA', 0) !== 0;
  const transB = intAttribute(node, 'transB', 0) !== 0;
  const biasCotangent = (): string => {
    const type = context.type(node.inputs[2] ?? '');
    const from = context.type(node.outputs[0] ?? '').shape;
    const summed = sumToShape(build, g, from, type.shape);
    const dtype = type.dtype === 'float64' ? 'float64' : 'float32';
    return beta === 1 ? summed : build.emit('Mul', [summed, build.scalar(beta, dtype)]);
  };
  return [
    context.wants(0) ? leftCotangent(context, g, alpha, transA, transB) : undefined,
    context.wants(1) ? rightCotangent(context, g, alpha, transA, transB) : undefined,
    context.wants(2) ? biasCotangent() : undefined,
  ];
};

/** g [C, M, N] and B' [K, N]^T give [C, M, K] in one Gemm over C*M rows. */
function leftCotangent(
  { node, build, columns, type }: VjpContext,
  g: string,
  alpha: number,
  transA: boolean,
  transB: boolean,
): string {
  const [m, n] = type(node.outputs[0] ?? '').shape as [number, number];
  const a = type(node.inputs[0] ?? '').shape as [number, number];
  const inner = transA ? a[0] : a[1];
  const rows = build.reshape(g, [columns * m, n]);
  const pulled = build.emit('Gemm', [rows, node.inputs[1] ?? ''], {
    alpha: float(alpha),
    transB: int(transB ? 0 : 1),
  });
  const shaped = build.reshape(pulled, [columns, m, inner]);
  return transA ? swapLast(build, shaped, 3) : shaped;
}

/** The batch is contracted: A'^T g per column, [C, K, N] (or its transpose). */
function rightCotangent(
  { node, build, columns, type }: VjpContext,
  g: string,
  alpha: number,
  transA: boolean,
  transB: boolean,
): string {
  const [m, n] = type(node.outputs[0] ?? '').shape as [number, number];
  const left = node.inputs[0] ?? '';
  const shape = type(node.inputs[1] ?? '').shape;
  if (columns === 1) {
    const rows = build.reshape(g, [m, n]);
    const pulled = transB
      ? build.emit('Gemm', [rows, left], {
          alpha: float(alpha),
          transA: int(1),
          transB: int(transA ? 1 : 0),
        })
      : build.emit('Gemm', [left, rows], { alpha: float(alpha), transA: int(transA ? 0 : 1) });
    return build.reshape(pulled, [1, ...shape]);
  }
  const pulled = transB
    ? build.emit('MatMul', [swapLast(build, g, 3), transA ? swapLast(build, left, 2) : left])
    : build.emit('MatMul', [transA ? left : swapLast(build, left, 2), g]);
  if (alpha === 1) return pulled;
  const dtype = type(left).dtype === 'float64' ? 'float64' : 'float32';
  return build.emit('Mul', [pulled, build.scalar(alpha, dtype)]);
}

/** Transposes the last two of `rank` axes. */
export function swapLast(build: VjpContext['build'], value: string, rank: number): string {
  const permutation = Array.from({ length: rank }, (_, axis) => axis);
  permutation[rank - 2] = rank - 1;
  permutation[rank - 1] = rank - 2;
  return build.emit('Transpose', [value], { perm: { kind: 'ints', value: permutation } });
}

export const gemm: OpRule = {
  op: 'Gemm',
  vjp,
  linearity: (_node, [a, b]) => (a === true && b === true ? 'smooth' : 'linear'),
  examples: [
    {
      name: 'linear layer, weight [out, in]',
      attributes: { transB: int(1) },
      inputs: [{ shape: [5, 4] }, { shape: [3, 4] }, { shape: [3] }],
    },
    {
      name: 'everything transposed and scaled, no C',
      attributes: { transA: int(1), transB: int(1), alpha: float(0.5) },
      inputs: [{ shape: [4, 5] }, { shape: [3, 4] }],
    },
    {
      name: 'A transposed, C one column',
      attributes: { transA: int(1), alpha: float(-1.5), beta: float(0.25) },
      inputs: [{ shape: [4, 5] }, { shape: [4, 3] }, { shape: [5, 1] }],
    },
    {
      name: 'plain, C a scalar',
      attributes: { beta: float(2) },
      inputs: [{ shape: [5, 4] }, { shape: [4, 3] }, { shape: [] }],
    },
    {
      name: 'constant weight',
      inputs: [
        { shape: [5, 2] },
        floatTensor([0.5, -1, 2, 0.25, 1, -0.75], [2, 3], 'float64'),
        floatTensor([1, 2, 3], [1, 3], 'float64'),
      ],
    },
  ],
};
