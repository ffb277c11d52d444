// What the heuristic of the output eigenspace needs: E[d2 loss / d logits2], and the weights behind each layer.
import {
  type BundleTensor,
  create,
  encodeBundle,
  type OutputHeuristic,
  OutputHeuristicSchema,
} from '@kronlens/proto';
import { type ShapedGraph, tensor } from '../graph/index.js';
import { type ChainWeight, type Layer, type LinearChain, linearChain } from '../layers/index.js';
import type { LossName, OpenedModel } from '../programs/index.js';
import type { Engine } from './engine.js';

export interface Heuristics {
  /** By layer; one without a chain to the logits has none. */
  readonly inputs: ReadonlyMap<string, OutputHeuristic>;
  /** One sentence about the layers that have none; empty where all have one. */
  readonly notes: readonly string[];
}

const LOSS_HESSIAN = 'loss_hessian';
const tensorName = ({ initializer, transposed }: ChainWeight) =>
  `${initializer}${transposed ? '^T' : ''}`;

/** @param lossHessian E[A], packed */
export async function heuristics(
  engine: Engine,
  model: OpenedModel,
  layers: readonly Layer[],
  loss: LossName,
  lossHessian: Float64Array,
): Promise<Heuristics> {
  const batch = model.fixedBatch ?? 2;
  const graph = await model.at(batch);
  const { value: logits, outputs: c } = model.logits;
  const chains = new Map<string, LinearChain>();
  const without: string[] = [];
  for (const layer of layers) {
    const chain = linearChain(graph, batch, layer, logits);
    if (typeof chain === 'string') without.push(`${layer.name} (${chain})`);
    else chains.set(layer.name, chain);
  }
  const notes =
    without.length === 0
      ? []
      : [
          `no heuristic_overlap where no chain of linear layers and ReLUs leads to the logits: ${without.join(', ')}`,
        ];
  if (chains.size === 0) return { inputs: new Map(), notes };
  const weights = new Map<string, BundleTensor>();
  for (const weight of [...chains.values()].flatMap((chain) => chain.weights))
    weights.set(tensorName(weight), matrixOf(graph, weight));
  const hessian = { name: LOSS_HESSIAN, shape: [c, c], symmetric: true, values: lossHessian };
  const bundle = await engine.store.put(encodeBundle([hessian, ...weights.values()]));
  const inputs = new Map(
    [...chains].map(([layer, chain]) => [
      layer,
      create(OutputHeuristicSchema, {
        bundle,
        weights: chain.weights.map(tensorName),
        lossHessian: LOSS_HESSIAN,
        relus: chain.relus,
        shiftInvariant: loss === 'cross-entropy',
      }),
    ]),
  );
  return { inputs, notes };
}

/** W [rows, columns]. */
function matrixOf(graph: ShapedGraph, weight: ChainWeight): BundleTensor {
  const contents = graph.initializers.get(weight.initializer);
  if (contents === undefined) throw new Error(`graph has no initializer '${weight.initializer}'`);
  const numbers = tensor.tensorNumbers(contents);
  const { rows, columns, transposed } = weight;
  const values = new Float64Array(rows * columns);
  for (let i = 0; i < rows; i++)
    for (let j = 0; j < columns; j++)
      values[i * columns + j] = numbers[transposed ? j * rows + i : i * columns + j] as number;
  return { name: tensorName(weight), shape: [rows, columns], symmetric: false, values };
}
