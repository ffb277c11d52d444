// Full-Hessian tasks: the approximation of the Gauss-Newton matrix of all layers beside its exact eigenpairs.
import {
  type ArtifactStore,
  type BundleTensor,
  decodeBundle,
  encodeBundle,
  type FullHessianTask,
  KronlensError,
  unpackSymmetric,
} from '@kronlens/proto';
import type { LinearAlgebra } from '../linalg/index.js';
import {
  eigenspaceOverlap,
  eigenvalueRatio,
  fullHessianEigenpairs,
  fullHessianVectors,
  positiveRank,
  type StackedLayer,
} from '../measures/index.js';
import type { TaskArtifact } from './task-artifact.js';

/** A full-Hessian task names what its bundles do not hold, or its parts do not fit together. */
export class FullHessianTaskError extends KronlensError {
  constructor(reason: string) {
    super('bad-full-hessian-task', `cannot approximate the full Hessian: ${reason}`);
  }
}

function tensorOf(bundle: ReadonlyMap<string, BundleTensor>, name: string): BundleTensor {
  const tensor = bundle.get(name);
  if (tensor === undefined) throw new FullHessianTaskError(`a bundle lacks '${name}'`);
  return tensor;
}

/**
 * One artifact `full_hessian`: `output_values` [s] and `output_vectors` [min(top, s), s] of the
 * stacked output Hessian; `values` [k] and `vectors` [k, d] of the approximation, k at most `top`;
 * `overlap` and `ratio` (approximate over exact) for 1, 2, ... as far as both sides can be told from
 * zero; `rank` [1] of what is known of the exact side.
 * @throws FullHessianTaskError, NotFiniteMatrixError, NoConvergenceError
 * @throws ArtifactMissingError, ArtifactCorruptError, MalformedBundleError
 */
export async function runFullHessian(
  task: FullHessianTask,
  { store, linalg }: { readonly store: Pick<ArtifactStore, 'get'>; readonly linalg: LinearAlgebra },
): Promise<TaskArtifact[]> {
  const sums = decodeBundle(await store.get(task.bundle));
  const output = tensorOf(sums, task.output);
  const layers = task.blocks.flatMap(({ outDim, mean }): StackedLayer[] => {
    const { shape, values } = tensorOf(sums, mean);
    const [groups = 0, inDim = 0] = shape;
    return Array.from({ length: groups }, (_, group) => ({
      outDim,
      meanInput: values.slice(group * inDim, (group + 1) * inDim),
    }));
  });
  const [size = 0] = output.shape;
  const stacked = layers.reduce((sum, { outDim }) => sum + outDim, 0);
  const dim = layers.reduce((sum, { outDim, meanInput }) => sum + outDim * meanInput.length, 0);
  if (size !== stacked)
    throw new FullHessianTaskError(`the layers have ${stacked} outputs, the stack ${size}`);
  const exact = decodeBundle(await store.get(task.exact));
  const exactValues = tensorOf(exact, 'eigenvalues').values;
  const exactVectors = tensorOf(exact, 'eigenvectors');
  if (exactVectors.shape[1] !== dim)
    throw new FullHessianTaskError(`the exact eigenvectors do not have ${dim} components`);

  const eigen = await linalg.eigh(unpackSymmetric(output.values, size), size);
  const pairs = fullHessianEigenpairs(eigen.values, eigen.vectors, layers, task.top);
  const vectors = fullHessianVectors(pairs, layers);
  const known = Math.min(exactVectors.shape[0] ?? 0, positiveRank(exactValues));
  const both = Math.min(known, pairs.count);
  const products =
    both === 0
      ? new Float64Array(0)
      : await linalg.gemm(exactVectors.values.subarray(0, both * dim), vectors, {
          rows: both,
          inner: dim,
          columns: pairs.count,
          transposeB: true,
        });
  const list = (name: string, values: Float64Array, shape = [values.length]): BundleTensor => ({
    name,
    shape,
    symmetric: false,
    values,
  });
  const kept = Math.min(task.top, size);
  return [
    {
      name: 'full_hessian',
      bytes: encodeBundle([
        list('output_values', eigen.values),
        list('output_vectors', eigen.vectors.subarray(0, kept * size), [kept, size]),
        list('values', pairs.values),
        list('vectors', vectors, [pairs.count, dim]),
        list('overlap', eigenspaceOverlap(products, both, pairs.count, both)),
        list('ratio', eigenvalueRatio(pairs.values, exactValues, both)),
        list('rank', Float64Array.of(known)),
      ]),
    },
  ];
}
