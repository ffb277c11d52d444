// The stacked output Hessian E[G^T A G] of several layers, and their mean inputs, in one pass over the data.
import { GraphBuilder, int } from '../graph/index.js';
import type { Layer } from '../layers/index.js';
import { type BackwardRequest, emitLayerCotangents } from './backward.js';
import type { BuiltProgram } from './built-program.js';
import type { GgnShape, SampleFactors } from './ggn.js';
import { emitSum } from './gram.js';
import { finishProgram, ProgramInputs, ProgramOutputs } from './program-io.js';
import { emitSampleFactors } from './sample-factors.js';

export interface StackedOutputRequest extends Omit<BackwardRequest, 'sums'> {
  /** The batch may be padded: padded samples count nothing. */
  readonly padded: boolean;
}

/**
 * A program with the outputs `stacked` [s, s], s the sum of groups * m, and for each layer `mean`
 * [groups, n], one more with a bias. A layer's part of G is the sum of its cotangents over
 * positions, its mean input x~ = (x; 1) the mean over them: what d f / d W = sum_p g_p x_p^T becomes
 * when both are taken apart (arXiv 2010.04261, full Hessian; K-FAC "reduce" for convolutions).
 * @throws UnsupportedOpError, UnknownBatchAxisError
 */
export function buildStackedOutput(request: StackedOutputRequest): BuiltProgram {
  const { graph, batch, layers, padded } = request;
  const b = new GraphBuilder(graph);
  const inputs = new ProgramInputs(graph, batch);
  const outputs = new ProgramOutputs(b);
  const weight = padded ? inputs.sampleWeight() : undefined;
  const pulled = emitLayerCotangents(b, inputs, { ...request, sums: false }, weight);
  const nodes = new Map(graph.nodes.map((node) => [node.name, node]));
  // Biases are parameters like any others here.
  const joint = { ...request, options: { ...request.options, bias: 'joint' as const } };
  const parts = layers.map((layer, index) => {
    const factors = emitSampleFactors(b, nodes, joint, layer, pulled);
    emitMean(b, outputs, layer, `layer${index}.mean`, factors, weight);
    return emitReducedCotangent(b, factors);
  });
  const size = layers.reduce((sum, { groups, outDim }) => sum + groups * outDim, 0);
  const stack = parts.length === 1 ? parts[0] : b.emit('Concat', parts, { axis: int(2) });
  const rows = b.reshape(stack as string, [batch * pulled.columns, size]);
  const facts = { layer: '', group: 0, shape: [size, size], symmetric: true, scale: 1 };
  const gram = b.emit('Gemm', [rows, rows], { transA: int(1) });
  outputs.add('stacked', gram, { ...facts, kind: 'stacked' });
  return finishProgram(b, 'stacked output Hessian', batch, inputs, outputs);
}

type Factors = SampleFactors & { readonly shape: GgnShape };

/** Cotangents summed over the positions of all uses, [B, C, G * m]. */
function emitReducedCotangent(b: GraphBuilder, { cotangents, shape }: Factors): string {
  const { batch, columns, groups, outDim } = shape;
  const sums = cotangents.map((g, use) => {
    const positions = shape.positions[use] ?? 1;
    const flat = [batch, columns, groups * outDim];
    if (positions === 1) return b.reshape(g, flat);
    const apart = b.reshape(g, [batch, columns, positions, groups * outDim]);
    return b.emit('ReduceSum', [apart, b.ints([2])], { keepdims: int(0) });
  });
  return emitSum(b, sums);
}

/** The sum over samples of the mean of x~ over positions, [G, n]. */
function emitMean(
  b: GraphBuilder,
  outputs: ProgramOutputs,
  layer: Layer,
  name: string,
  { inputs, shape }: Factors,
  weight: string | undefined,
): void {
  const { batch, groups, inDim, positions } = shape;
  const sums = inputs.map((x) => {
    const counted =
      weight === undefined ? x : b.emit('Mul', [x, b.reshape(weight, [batch, 1, 1, 1])]);
    return b.emit('ReduceSum', [counted, b.ints([0, 2])], { keepdims: int(0) });
  });
  const all = positions.reduce((sum, count) => sum + count, 0);
  const mean = b.emit('Mul', [emitSum(b, sums), b.scalar(1 / all, 'float32')]);
  const facts = { layer: layer.name, group: 0, symmetric: false, scale: 1 };
  outputs.add(name, mean, { ...facts, kind: 'mean', shape: [groups, inDim] });
}
