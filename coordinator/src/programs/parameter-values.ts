// Values of a model's parameters: read as a bundle, and put into a model in the place of its own.
import { BadInputError, type BundleTensor } from '@kronlens/proto';
import { elementCount, type ShapedGraph, tensor, typeOf } from '../graph/index.js';
import type { OpenedModel } from './open-model.js';
import { type Parameter, parameterValues, storedValues } from './trainable-parameters.js';

/** The parameters' values in a graph: what tasks take as `parameters` or `prior_mean`. */
export function readParameters(
  graph: ShapedGraph,
  parameters: readonly Parameter[],
): readonly BundleTensor[] {
  return parameters.map(({ name, shape, places: [place] }) => {
    if (place === undefined) throw new Error(`parameter '${name}' has no place in the graph`);
    const values = tensor.tensorNumbers(parameterValues(graph, place, shape));
    return { name, shape, symmetric: false, values: Float64Array.from(values) };
  });
}

/**
 * The model with other values of its parameters, rounded to float32.
 * @param values of every parameter, in its own shape
 */
export function withParameters(
  model: OpenedModel,
  parameters: readonly Parameter[],
  values: ReadonlyMap<string, Float64Array>,
): OpenedModel {
  return {
    ...model,
    at: async (batch) => replaced(await model.at(batch), parameters, values),
  };
}

function replaced(
  graph: ShapedGraph,
  parameters: readonly Parameter[],
  values: ReadonlyMap<string, Float64Array>,
): ShapedGraph {
  const initializers = new Map(graph.initializers);
  for (const { name, shape, places } of parameters) {
    const own = values.get(name);
    if (own === undefined || own.length !== elementCount(shape))
      throw new BadInputError('bad-parameters', `no values of shape [${shape}] for '${name}'`);
    const whole = tensor.floatTensor(own, shape);
    for (const place of places) {
      const stored = storedValues(whole, place, typeOf(graph, place.initializer).shape);
      initializers.set(place.initializer, stored);
    }
  }
  return { ...graph, initializers };
}
