// The gradient of a model in some parameters as a graph of its own, ready to be differentiated again.
import {
  type Evaluator,
  GraphBuilder,
  pullBack,
  type ShapedGraph,
  specialise,
  typeOf,
} from '../graph/index.js';
import { type BackwardRequest, emitLossInputs, type SampleLossInputs } from './backward.js';
import { emitGradient } from './loss.js';
import { ProgramInputs } from './program-io.js';

export type GradientRequest = Pick<BackwardRequest, 'graph' | 'batch' | 'logits' | 'options'> & {
  /** Initializers whose cotangents are wanted, and others that are to be differentiated in later. */
  readonly from: readonly string[];
  readonly to: readonly string[];
  /** The batch may be padded: samples get a weight of 0 or 1. */
  readonly padded: boolean;
};

export interface GradientGraph {
  /** Model and gradient; its inputs are the model's. */
  readonly graph: ShapedGraph;
  /** Inputs of the graph beyond the model's are among them. */
  readonly inputs: ProgramInputs;
  /** Cotangents [1, ...shape of the value] by the value in `from`; none where it has no influence. */
  readonly cotangents: ReadonlyMap<string, string>;
  /** d loss / d logits at the true labels, [1, B, c] (c = T * classes); padded samples have none. */
  readonly lossGradient: string;
  readonly lossInputs: SampleLossInputs;
  /** [B], 0 for padded samples; undefined where none are. */
  readonly weight: string | undefined;
  /** What is pulled back, [1, B, c]: the loss's gradient, or an input that stands for any cotangent. */
  readonly seed: string;
}

const SEED = 'kl_seed';

/**
 * Differentiates once. Types of all values are learnt by one run on zeros.
 * @param seed `loss`: the gradient of the loss is pulled back, summed over the batch; `free`: whatever
 *   the input `seed` holds, on which the cotangents depend linearly
 * @throws UnsupportedOpError
 */
export async function gradientGraph(
  request: GradientRequest,
  seed: 'loss' | 'free',
  evaluator: Evaluator,
): Promise<GradientGraph> {
  const { graph, batch, logits, options, from, to } = request;
  // As inputs, so that nothing that is computed from them counts as constant.
  const parameters = [...new Set([...from, ...to])];
  const free: ShapedGraph = {
    ...graph,
    inputs: [...graph.inputs, ...parameters.map((name) => ({ name, ...typeOf(graph, name) }))],
    initializers: new Map([...graph.initializers].filter(([name]) => !parameters.includes(name))),
  };
  const b = new GraphBuilder(free);
  const inputs = new ProgramInputs(graph, batch);
  const weight = request.padded ? inputs.sampleWeight() : undefined;
  const lossInputs = emitLossInputs(b, inputs, request, true);
  const ofRows = emitGradient(b, options.loss, lossInputs);
  const { batch: rows, outputs, tokenWeights } = lossInputs;
  const ofSample = (rows / batch) * outputs;
  const gradient =
    tokenWeights === undefined
      ? ofRows
      : b.reshape(b.emit('Mul', [ofRows, b.reshape(tokenWeights.weights, [rows, 1])]), [
          1,
          batch,
          ofSample,
        ]);
  const lossGradient =
    weight === undefined ? gradient : b.emit('Mul', [gradient, b.reshape(weight, [batch, 1])]);
  const shape = typeOf(graph, logits).shape;
  const seedValue = seed === 'loss' ? lossGradient : SEED;
  const cotangents = pullBack({
    graph: free,
    builder: b,
    seeds: new Map([[logits, b.reshape(seedValue, [1, ...shape])]]),
    columns: 1,
    targets: [...new Set(from)],
  });
  const extra = [
    ...inputs.extra,
    ...(seed === 'free'
      ? [{ name: SEED, dtype: 'float32' as const, shape: [1, batch, ofSample] }]
      : []),
  ];
  const kept = [...new Set([...cotangents.values(), lossGradient, logits])];
  const once = b.build(
    kept.map((name) => ({ name, dtype: 'float32', shape: undefined })),
    extra,
  );
  const shapes = new Map(
    once.inputs.map(({ name, shape: size }) => [name, (size ?? []).map(Number)]),
  );
  const shaped = await specialise(once, shapes, evaluator);
  const held = new Map(parameters.map((name) => [name, graph.initializers.get(name)]));
  const initializers = new Map(shaped.initializers);
  for (const [name, tensor] of held) if (tensor !== undefined) initializers.set(name, tensor);
  const differentiated: ShapedGraph = { ...shaped, inputs: graph.inputs, initializers };
  return {
    graph: differentiated,
    inputs,
    cotangents,
    lossGradient,
    lossInputs,
    weight,
    seed: seedValue,
  };
}
