// Sums of a layer's exact Gauss-Newton block that one pass over the data yields: its trace, and itself where it is small.
import { type GraphBuilder, int } from '../graph/index.js';
import type { Layer } from '../layers/index.js';
import { blockDim, type ExactSums } from './factor-options.js';
import type { LayerContext } from './factors.js';
import { emitDenseGgn, emitJacobian, emitJacobianNorm } from './ggn.js';
import { emitSum } from './gram.js';
import { emitSampleFactors } from './sample-factors.js';

/** Adds the outputs `ggn_trace` [1] and, up to the limit, `ggn` [d, d]. */
export function emitExactSums(
  context: LayerContext,
  layer: Layer,
  stem: string,
  { denseLimit }: ExactSums,
): void {
  const { b, request, nodes, outputs, chunks } = context;
  const parts = chunks.map((chunk) => emitSampleFactors(b, nodes, request, layer, chunk));
  const dim = blockDim(layer, request.options);
  const facts = { layer: layer.name, group: 0 };
  const traces = parts.map((part) =>
    part.shape.positions.length === 1 && part.shape.positions[0] === 1
      ? emitProductOfNorms(b, part.inputs[0] as string, part.cotangents[0] as string)
      : emitJacobianNorm(b, emitJacobian(b, part, part.shape)),
  );
  const number = { ...facts, shape: [1], symmetric: false, scale: 1 };
  outputs.add(`${stem}.ggn_trace`, emitSum(b, traces), { ...number, kind: 'ggn_trace' });
  if (dim > denseLimit) return;
  const blocks = parts.map((part) => emitDenseGgn(b, emitJacobian(b, part, part.shape)));
  const matrix = { ...facts, shape: [dim, dim], symmetric: true, scale: 1 };
  outputs.add(`${stem}.ggn`, emitSum(b, blocks), { ...matrix, kind: 'ggn' });
}

/** One position: sum over samples of sum_c |g_c|^2 |x|^2. */
function emitProductOfNorms(b: GraphBuilder, x: string, g: string): string {
  const perSample = (value: string, axes: readonly number[]) =>
    b.emit('ReduceSum', [b.emit('Mul', [value, value]), b.ints(axes)], { keepdims: int(0) });
  const products = b.emit('Mul', [perSample(x, [1, 2, 3]), perSample(g, [1, 2])]);
  return b.emit('ReduceSum', [products, b.ints([0])], { keepdims: int(1) });
}
