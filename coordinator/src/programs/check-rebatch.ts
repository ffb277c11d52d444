// Tries whether a model with a changed batch size computes what the original does.
import {
  type Evaluator,
  elementCount,
  encodeModel,
  type ShapedGraph,
  type Tensor,
  tensor,
  typeOf,
} from '../graph/index.js';

/**
 * Runs two batches of the original size one by one and together.
 * @param at the model at another batch size; may reject
 */
export async function agreesWithOriginal(
  original: ShapedGraph,
  batch: number,
  at: (batch: number) => Promise<ShapedGraph>,
  evaluator: Evaluator,
): Promise<boolean> {
  const output = original.outputs[0]?.name;
  if (output === undefined) return false;
  let together: readonly number[];
  let doubled: ShapedGraph;
  try {
    doubled = await at(2 * batch);
    await at(3 * batch);
    together = await run(doubled, output, 0, 2 * batch, evaluator);
  } catch {
    // Somewhere the batch is written down where it cannot be changed.
    return false;
  }
  const [first, second] = [
    await run(original, output, 0, batch, evaluator),
    await run(original, output, batch, batch, evaluator),
  ];
  const apart = [...first, ...second];
  return (
    apart.length === together.length &&
    apart.every((value, index) => {
      const other = together[index] ?? NaN;
      return Math.abs(value - other) <= 1e-4 * Math.max(1e-3, Math.abs(value), Math.abs(other));
    })
  );
}

async function run(
  graph: ShapedGraph,
  output: string,
  firstSample: number,
  samples: number,
  evaluator: Evaluator,
): Promise<number[]> {
  const feeds = new Map(
    graph.inputs.map(({ name }) => [name, waves(graph, name, firstSample, samples)]),
  );
  const model = encodeModel(graph, { constants: evaluator.constants });
  const answer = await evaluator.evaluate(model, feeds, [output]);
  const found = answer.tensors.get(output);
  if (found === undefined) throw new Error(`the evaluator did not return '${output}'`);
  return tensor.tensorNumbers(found);
}

/** Values that differ from sample to sample, the same for a sample in any batch. */
function waves(graph: ShapedGraph, name: string, firstSample: number, samples: number): Tensor {
  const { dtype, shape } = typeOf(graph, name);
  const perSample = elementCount(shape) / samples;
  const values = Array.from({ length: elementCount(shape) }, (_, index) =>
    Math.sin(1 + (firstSample * perSample + index) * 0.7371),
  );
  if (dtype === 'float32' || dtype === 'float64') return tensor.floatTensor(values, shape, dtype);
  if (dtype === 'int64' || dtype === 'int32')
    return tensor.intTensor(
      values.map((value) => (value < 0 ? 0 : 1)),
      shape,
      dtype,
    );
  if (dtype === 'bool')
    return tensor.boolTensor(
      values.map((value) => value >= 0),
      shape,
    );
  throw new Error(`inputs of type ${dtype} are not supported`);
}
