// The programs that multiply vectors by blocks of the true Hessian or of the Gauss-Newton matrix, of any parameters.
import { type Evaluator, GraphBuilder, ints, pullBack, typeOf } from '../graph/index.js';
import { emitLossColumns } from './backward.js';
import type { BuiltProgram } from './built-program.js';
import { type GradientGraph, type GradientRequest, gradientGraph } from './gradient-graph.js';
import {
  blockSize,
  blockValues,
  emitDirections,
  emitVectors,
  type ParameterBlock,
} from './parameter-block.js';
import { finishProgram, ProgramOutputs } from './program-io.js';

/** `hessian`: of the loss at the true labels. `ggn`: J^T A J, of what the options put for A. */
export type SecondOrder = 'hessian' | 'ggn';

export interface BlockProductRequest extends Omit<GradientRequest, 'from' | 'to'> {
  readonly kind: SecondOrder;
  /** Vectors lie in this block ... */
  readonly from: ParameterBlock;
  /** ... and products in this one: the same one for a diagonal block. */
  readonly to: ParameterBlock;
  /** K, vectors in one product. */
  readonly vectors: number;
  readonly name: string;
  /** What the product is said to be of, in messages. */
  readonly layer: string;
}

/**
 * A program from data, labels (for `hessian`, and the empirical Fisher) and `probe` V [K, d] to
 * `product` [K, e], the block's products with the rows of V, summed over the batch. The gradient is
 * differentiated by reverse mode again: H V = d <gradient, V> / d parameters (Pearlmutter 1994, by two
 * reverse passes), which is linear in memory and takes about two passes a vector beside two for all.
 * @throws UnsupportedOpError
 */
export async function buildBlockProduct(
  request: BlockProductRequest,
  evaluator: Evaluator,
): Promise<BuiltProgram> {
  const { kind, from, to, vectors, batch, name, layer } = request;
  const once = await gradientGraph(
    { ...request, from: blockValues(from), to: blockValues(to) },
    kind === 'hessian' ? 'loss' : 'free',
    evaluator,
  );
  const b = new GraphBuilder(once.graph);
  const probe = once.inputs.probe([vectors, blockSize(from)]);
  const directions = emitDirections(b, once.graph, from, probe, vectors);
  const seeds = new Map<string, string>();
  for (const [value, cotangent] of once.cotangents) {
    const direction = directions.get(value);
    if (direction === undefined) continue;
    const shape = [vectors, 1, ...typeOf(once.graph, value).shape];
    const own = b.reshape(direction, shape);
    // Parameters that are added up have one cotangent.
    const other = seeds.get(cotangent);
    seeds.set(cotangent, other === undefined ? own : b.emit('Add', [other, own]));
  }
  const targets = blockValues(to);
  const pull = (at: ReadonlyMap<string, string>, wanted: readonly string[]) =>
    pullBack({ graph: once.graph, builder: b, seeds: at, columns: vectors, targets: wanted });
  const cotangents =
    kind === 'hessian'
      ? pull(seeds, targets)
      : pull(emitLogitSeeds(b, once, request, seeds), targets);
  const outputs = new ProgramOutputs(b);
  outputs.add('product', emitVectors(b, to, cotangents, vectors), {
    kind: 'product',
    layer,
    group: 0,
    shape: [vectors, blockSize(to)],
    symmetric: false,
    scale: 1,
  });
  return finishProgram(b, name, batch, once.inputs, outputs);
}

/** A J V at the logits, J V being what the cotangents' products with V depend on their seed by. */
function emitLogitSeeds(
  b: GraphBuilder,
  once: GradientGraph,
  request: BlockProductRequest,
  seeds: ReadonlyMap<string, string>,
): ReadonlyMap<string, string> {
  const { vectors, batch, logits, options } = request;
  const { graph, seed, lossGradient, lossInputs, weight } = once;
  const shape = typeOf(graph, logits).shape;
  const moved = pullBack({ graph, builder: b, seeds, columns: vectors, targets: [seed] }).get(seed);
  // No parameter of the block has any influence.
  if (moved === undefined) return new Map();
  if (options.columns.kind === 'exact') {
    const again = new Map([[lossGradient, moved]]);
    const pulled = pullBack({
      graph,
      builder: b,
      seeds: again,
      columns: vectors,
      targets: [logits],
    }).get(logits);
    return pulled === undefined ? new Map() : new Map([[logits, pulled]]);
  }
  const columns = emitLossColumns(b, request, lossInputs);
  const outputs = (lossInputs.batch / batch) * lossInputs.outputs;
  // R [B, C, c], J V [B, c, K] -> R^T (R J V) [B, c, K] -> [K, B, c]
  const rows = b.emit('Transpose', [columns], { perm: ints([1, 0, 2]) });
  const image = b.emit('Transpose', [b.reshape(moved, [vectors, batch, outputs])], {
    perm: ints([1, 2, 0]),
  });
  const back = b.emit('Transpose', [rows], { perm: ints([0, 2, 1]) });
  const product = b.emit('MatMul', [back, b.emit('MatMul', [rows, image])]);
  const ordered = b.emit('Transpose', [product], { perm: ints([2, 0, 1]) });
  const weighted =
    weight === undefined ? ordered : b.emit('Mul', [ordered, b.reshape(weight, [batch, 1])]);
  return new Map([[logits, b.reshape(weighted, [vectors, ...shape])]]);
}
