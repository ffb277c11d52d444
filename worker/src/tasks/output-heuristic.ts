// Reads what the heuristic of a layer's output Hessian is made of: weights behind the layer, and E[d2 loss / d logits2].
import {
  type ArtifactStore,
  type BundleTensor,
  decodeBundle,
  type OutputHeuristic,
  unpackSymmetric,
} from '@kronlens/proto';
import type { Matrix } from '../measures/index.js';

export interface HeuristicInputs {
  /** W^(L) first; their product is S [logits, m], the identity where there are none. */
  readonly weights: readonly Matrix[];
  /** [logits, logits]. */
  readonly lossHessian: Float64Array;
}

/**
 * @param outDim m, outputs of the layer
 * @param refuse makes the error of a heuristic that its bundle does not hold, or that is of another layer
 */
export async function readOutputHeuristic(
  heuristic: OutputHeuristic,
  outDim: number,
  store: Pick<ArtifactStore, 'get'>,
  refuse: (reason: string) => Error,
): Promise<HeuristicInputs> {
  const bundle = decodeBundle(await store.get(heuristic.bundle));
  const tensor = (name: string): BundleTensor => {
    const found = bundle.get(name);
    if (found === undefined) throw refuse(`a bundle lacks '${name}'`);
    return found;
  };
  const weights = heuristic.weights.map((name): Matrix => {
    const { shape, values } = tensor(name);
    const [rows = 0, columns = 0] = shape;
    return { rows, columns, values };
  });
  const takes = weights.at(-1)?.columns ?? outDim;
  if (takes !== outDim) throw refuse(`the weights behind it do not take ${outDim} outputs`);
  const c = weights[0]?.rows ?? outDim;
  const { shape, symmetric, values } = tensor(heuristic.lossHessian);
  if (shape.length !== 2 || shape.some((size) => size !== c))
    throw refuse(`'${heuristic.lossHessian}' is [${shape.join(', ')}], not [${c}, ${c}]`);
  return { weights, lossHessian: symmetric ? unpackSymmetric(values, c) : values.slice() };
}
