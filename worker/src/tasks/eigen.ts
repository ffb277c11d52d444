// Eigen tasks: the full eigendecomposition of one factor.
import {
  type ArtifactStore,
  BadInputError,
  type BundleTensor,
  decodeBundle,
  type EigenTask,
  encodeBundle,
  KronlensError,
  type OutputHeuristic,
  unpackSymmetric,
} from '@kronlens/proto';
import { type LinearAlgebra, NotFiniteMatrixError, type SymmetricEigen } from '../linalg/index.js';
import { surrogateOutputHessian, weightChain } from '../measures/index.js';
import { readOutputHeuristic } from './output-heuristic.js';
import type { TaskArtifact } from './task-artifact.js';

/** An eigen task asks for something that its bundle does not hold. */
export class EigenTaskError extends KronlensError {
  constructor(task: EigenTask, reason: string) {
    super(
      'bad-eigen-task',
      `cannot decompose '${task.tensor}' of layer '${task.layer}': ${reason}`,
      {
        details: { layer: task.layer, tensor: task.tensor, bundle: task.bundle },
      },
    );
  }
}

/** A factor holds NaN or infinity: the model or the data made it. */
export class NotFiniteFactorError extends BadInputError {
  constructor(task: EigenTask, cause: NotFiniteMatrixError) {
    super(
      'factor-not-finite',
      `the factor '${task.tensor}' of layer '${task.layer}' has no eigenvalues: ${cause.message}; check the model's weights and the data for NaN, infinity and very large values`,
      { ...cause.details, layer: task.layer, tensor: task.tensor },
      cause,
    );
  }
}

/**
 * Decomposes scale times a square tensor of a bundle, or the surrogate of an output Hessian: one artifact `eigen`, with the tensors
 * `eigenvalues` [n], descending, and `eigenvectors` [n, n], a unit vector in each row, whose
 * component of largest magnitude is positive.
 * @throws NotFiniteFactorError naming the layer
 * @throws EigenTaskError when the tensor is not there or not square, or the scale is no number
 * @throws ArtifactMissingError, ArtifactCorruptError, MalformedBundleError, NoConvergenceError
 */
export async function runEigen(
  task: EigenTask,
  { store, linalg }: EigenSetting,
): Promise<TaskArtifact[]> {
  if (!Number.isFinite(task.scale) || task.scale === 0) {
    throw new EigenTaskError(task, `its scale is ${task.scale}`);
  }
  const { matrix, n } = await matrixOf(task, { store, linalg });
  for (let i = 0; i < matrix.length; i++) matrix[i] = (matrix[i] as number) * task.scale;
  const { values, vectors } = await decompose(task, matrix, n, linalg);
  const bytes = encodeBundle([
    { name: 'eigenvalues', shape: [n], symmetric: false, values },
    { name: 'eigenvectors', shape: [n, n], symmetric: false, values: vectors },
  ]);
  return [{ name: 'eigen', bytes }];
}

interface EigenSetting {
  readonly store: ArtifactStore;
  readonly linalg: LinearAlgebra;
}

/** The full matrix [n, n], fresh. */
async function matrixOf(task: EigenTask, { store, linalg }: EigenSetting) {
  if (task.surrogate !== undefined) return await surrogateOf(task, task.surrogate, store, linalg);
  const tensor = decodeBundle(await store.get(task.bundle)).get(task.tensor);
  if (tensor === undefined) throw new EigenTaskError(task, `bundle ${task.bundle} lacks it`);
  const n = requireSquare(task, tensor);
  const { symmetric, values } = tensor;
  return { matrix: symmetric ? unpackSymmetric(values, n) : values.slice(), n };
}

/** M~ of the layer. */
async function surrogateOf(
  task: EigenTask,
  heuristic: OutputHeuristic,
  store: ArtifactStore,
  linalg: LinearAlgebra,
) {
  const n = Number(task.size);
  const refuse = (reason: string) => new EigenTaskError(task, reason);
  const { weights, lossHessian } = await readOutputHeuristic(heuristic, n, store, refuse);
  const chain = await weightChain(weights, n, linalg);
  const matrix = await surrogateOutputHessian(chain, lossHessian, heuristic.relus, linalg);
  return { matrix, n };
}

function requireSquare(task: EigenTask, { shape }: BundleTensor): number {
  const [n = 0, columns = 0] = shape;
  if (shape.length !== 2 || n !== columns || n === 0) {
    throw new EigenTaskError(task, `it is [${shape.join(', ')}], not a square matrix`);
  }
  return n;
}

async function decompose(
  task: EigenTask,
  matrix: Float64Array,
  n: number,
  linalg: LinearAlgebra,
): Promise<SymmetricEigen> {
  try {
    return await linalg.eigh(matrix, n);
  } catch (error) {
    if (error instanceof NotFiniteMatrixError) throw new NotFiniteFactorError(task, error);
    if (!(error instanceof KronlensError)) throw error;
    const { code, retryable } = error;
    const details = { ...error.details, layer: task.layer, tensor: task.tensor };
    const message = `factor '${task.tensor}' of layer '${task.layer}': ${error.message}`;
    throw new KronlensError(code, message, { retryable, details, cause: error });
  }
}
