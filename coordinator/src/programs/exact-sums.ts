// Sums of a layer's exact Gauss-Newton block that one pass over the data yields: its trace, and itself where it is small.
import { type GraphBuilder, int } from '../graph/index.js';
import type { Layer } from '../layers/index.js';
import { blockDim, type ExactSums } from './factor-options.js';
import type { LayerContext } from './factors.js';
import { emitDenseGgn, emitJacobian, emitJacobianNorm } from './ggn.js';
import { emitSampleFactors } from './sample-factors.js';

/** Adds the outputs `ggn_trace` [1] and, up to the limit, `ggn` [d, d]. */
export function emitExactSums(
  context: LayerContext,
  layer: Layer,
  stem: string,
  { denseLimit }: ExactSums,
): void {
  const { b, request, nodes, outputs } = context;
  const factors = emitSampleFactors(b, nodes, request, layer, context);
  const { shape } = factors;
  const dim = blockDim(layer, request.options);
  const facts = { layer: layer.name, group: 0 };
  const trace =
    shape.positions.length === 1 && shape.positions[0] === 1
      ? emitProductOfNorms(b, factors.inputs[0] as string, factors.cotangents[0] as string)
      : emitJacobianNorm(b, emitJacobian(b, factors, shape));
  const number = { ...facts, shape: [1], symmetric: false, scale: 1 };
  outputs.add(`${stem}.ggn_trace`, trace, { ...number, kind: 'ggn_trace' });
  if (dim > denseLimit) return;
  const dense = emitDenseGgn(b, emitJacobian(b, factors, shape));
  const matrix = { ...facts, shape: [dim, dim], symmetric: true, scale: 1 };
  outputs.add(`${stem}.ggn`, dense, { ...matrix, kind: 'ggn' });
}

/** One position: sum over samples of sum_c |g_c|^2 |x|^2. */
function emitProductOfNorms(b: GraphBuilder, x: string, g: string): string {
  const perSample = (value: string, axes: readonly number[]) =>
    b.emit('ReduceSum', [b.emit('Mul', [value, value]), b.ints(axes)], { keepdims: int(0) });
  const products = b.emit('Mul', [perSample(x, [1, 2, 3]), perSample(g, [1, 2])]);
  return b.emit('ReduceSum', [products, b.ints([0])], { keepdims: int(1) });
}
