// Plans the programs that multiply vectors by blocks of the true Hessian or the Gauss-Newton matrix.
import { type Evaluator, elementCount, type ShapedGraph } from '../graph/index.js';
import type { Layer } from '../layers/index.js';
import type { BuiltProgram } from './built-program.js';
import { chooseBatch, type DataRun, PROBE } from './choose-batch.js';
import { blockDim, type FactorOptions, isJoint } from './factor-options.js';
import type { OpenedModel } from './open-model.js';
import { withOwnWeight } from './own-weight.js';
import { blockSize, layerMatrix, type ParameterBlock } from './parameter-block.js';
import { buildBlockProduct, type SecondOrder } from './second-order.js';

/** Vectors in one product: more share the first two passes, and take more memory. */
const VECTORS = 8;

export interface BlockProduct {
  readonly kind: SecondOrder;
  readonly options: FactorOptions;
  /** The layer or block, for names and messages. */
  readonly layer: string;
  /** What is differentiated; by default the model as it is. */
  readonly prepare?: (graph: ShapedGraph) => ShapedGraph;
  /** Vectors lie in `from`, products in `to`. */
  from(graph: ShapedGraph): ParameterBlock;
  to(graph: ShapedGraph): ParameterBlock;
}

/** The diagonal block of a layer's weight, with the bias where the options say so. */
export function layerProduct(
  kind: SecondOrder,
  layer: Layer,
  options: FactorOptions,
): BlockProduct {
  const joint = isJoint(layer, options);
  const block = (graph: ShapedGraph) => [layerMatrix(graph, layer, joint)];
  const prepare = (graph: ShapedGraph) => withOwnWeight(graph, layer);
  return { kind, options, layer: layer.name, prepare, from: block, to: block };
}

/** The Gauss-Newton matrix of the weights and biases of all layers, one layer behind the other. */
export function fullProduct(layers: readonly Layer[], options: FactorOptions): BlockProduct {
  const block = (graph: ShapedGraph) => layers.map((layer) => layerMatrix(graph, layer, true));
  return { kind: 'ggn', options, layer: '*', from: block, to: block };
}

/** Entries of a vector of `fullProduct`. */
export function weightsAndBiases(layers: readonly Layer[]): number {
  return layers.reduce((sum, layer) => sum + blockDim(layer, { bias: 'joint' }), 0);
}

export interface BlockProductPlan {
  /** Entries of a vector and of a product. */
  readonly dim: number;
  readonly productDim: number;
  readonly batch: number;
  readonly product: BuiltProgram;
  /** For the last, partial batch; absent where batches come out even or are padded. */
  readonly tailProduct: BuiltProgram | undefined;
}

/**
 * Bytes that a product keeps per sample: activations and the gradient's values, and of `vectors`
 * columns the cotangents of all activations, which wait for the gradient's.
 */
function bytesOf(graph: ShapedGraph, batch: number, vectors: number): number {
  let floats = 0;
  for (const [value, { shape }] of graph.types)
    if (!graph.initializers.has(value)) floats += elementCount(shape) / batch;
  return 4 * floats * (3 + 2 * vectors);
}

/** @throws UnsupportedOpError, BadInputError when the batch contradicts the model's */
export async function planBlockProduct(
  model: OpenedModel,
  what: BlockProduct,
  run: DataRun,
  evaluator: Evaluator,
): Promise<BlockProductPlan> {
  const { kind, options, layer } = what;
  const padded = model.fixedBatch !== undefined;
  const at = async (size: number) => {
    const graph = await model.at(size);
    return what.prepare?.(graph) ?? graph;
  };
  const some = await at(model.fixedBatch ?? PROBE);
  const vectors = Math.min(VECTORS, blockSize(what.from(some)));
  const batch = await chooseBatch(model, run, async (probe) =>
    bytesOf(await model.at(probe), probe, vectors),
  );
  const build = async (size: number) => {
    const graph = await at(size);
    return await buildBlockProduct(
      {
        graph,
        batch: size,
        logits: model.logits.value,
        options,
        padded,
        kind,
        from: what.from(graph),
        to: what.to(graph),
        vectors,
        name: `${kind} of ${layer}`,
        layer,
      },
      evaluator,
    );
  };
  const product = await build(batch);
  const rest = padded ? 0 : run.samples % batch;
  const tailProduct = rest === 0 ? undefined : await build(rest);
  const [dim, productDim] = [blockSize(what.from(some)), blockSize(what.to(some))];
  return { dim, productDim, batch, product, tailProduct };
}
