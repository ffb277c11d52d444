// The gradient of a model's loss in all its parameters, by the graph's own reverse mode, on a few samples.
import {
  type Evaluator,
  encodeModel,
  GraphBuilder,
  pullBack,
  type Tensor,
} from '../graph/index.js';
import { tensorElements } from '../graph/tensor.js';
import { emitLossInputs } from '../programs/backward.js';
import {
  type FactorOptions,
  modelParameters,
  type OpenedModel,
  type ParameterMatrix,
} from '../programs/index.js';
import { emitGradient } from '../programs/loss.js';
import { emitVectors } from '../programs/parameter-block.js';
import { ProgramInputs } from '../programs/program-io.js';
import { type Width, widened, widenedTensor } from './node-tests/widen.js';

export interface WeightGradient {
  readonly parameter: ParameterMatrix;
  /** [rows * columns] of the parameter's matrix; of the mean over the samples. */
  readonly gradient: ArrayLike<number>;
}

/**
 * Cross-entropy, of tokens the mean over those of a sample that count.
 * @param arrays the model's inputs by name, and the labels `y`
 * @param evaluator runs the gradient program
 * @param width of all floating-point values in it; the evaluator needs kernels for that
 */
export async function weightGradients(
  model: OpenedModel,
  arrays: ReadonlyMap<string, Tensor>,
  evaluator: Evaluator,
  width: Width = 'float32',
): Promise<readonly WeightGradient[]> {
  const { logits, layers } = model;
  const labels = arrays.get('y');
  const batch = labels?.shape[0];
  if (labels === undefined || batch === undefined) throw new Error('the labels y are missing');
  const graph = await model.at(batch);
  const options: FactorOptions = {
    loss: 'cross-entropy',
    columns: { kind: 'exact' },
    sharing: 'expand',
    bias: 'separate',
    labels: true,
    tokens:
      logits.tokens === undefined
        ? undefined
        : { count: logits.tokens, reduction: 'mean', ignoreIndex: -100 },
  };
  const parameters = modelParameters(graph, layers.layers, logits.value);
  const b = new GraphBuilder(graph);
  const inputs = new ProgramInputs(graph, batch);
  const loss = emitLossInputs(b, inputs, { graph, batch, logits: logits.value, options }, true);
  const rows = b.reshape(emitGradient(b, 'cross-entropy', loss), [loss.batch, loss.outputs]);
  const weights = loss.tokenWeights?.weights;
  const counted =
    weights === undefined ? rows : b.emit('Mul', [rows, b.reshape(weights, [loss.batch, 1])]);
  const mean = b.emit('Mul', [counted, b.scalar(1 / batch, 'float32')]);
  const shape = graph.types.get(logits.value)?.shape ?? [];
  const cotangents = pullBack({
    graph,
    builder: b,
    seeds: new Map([[logits.value, b.reshape(mean, [1, ...shape])]]),
    columns: 1,
    targets: parameters.flatMap(({ values }) => values.map(({ value }) => value)),
  });
  const outputs = parameters.map((parameter, index) =>
    b.alias(emitVectors(b, [parameter], cotangents, 1), `kl/gradient_${index}`),
  );
  const built = b.build(
    outputs.map((name) => ({ name, dtype: 'float32', shape: undefined })),
    inputs.extra,
  );
  const program = width === 'float32' ? built : widened(built, width);
  const feeds = new Map(
    program.inputs.map(({ name }) => {
      const given = name.startsWith('kl_') ? labels : arrays.get(name);
      if (given === undefined) throw new Error(`nothing is given for the input '${name}'`);
      return [name, widenedTensor(given, width)] as const;
    }),
  );
  const bytes = encodeModel(program, { untypedOutputs: true, constants: evaluator.constants });
  const { tensors } = await evaluator.evaluate(bytes, feeds, outputs);
  return parameters.map((parameter, index) => {
    const found = tensors.get(outputs[index] ?? '');
    if (found === undefined) throw new Error(`no gradient of '${parameter.name}' came back`);
    return { parameter, gradient: tensorElements(found) };
  });
}
