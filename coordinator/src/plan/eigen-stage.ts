// The eigendecompositions: one task a matrix, the largest first, results handled one at a time.
import {
  create,
  decodeBundle,
  EigenTaskSchema,
  KronlensError,
  type OutputHeuristic,
  type Task,
  type TaskResult,
  TaskSchema,
} from '@kronlens/proto';
import type { Eigenpairs } from '../merge/eigenpairs.js';
import { CODE_VERSION } from '../version.js';
import type { Engine } from './engine.js';
import { artifactOf } from './factor-stage.js';
import { runTasks } from './run-tasks.js';
import type { StageProgress } from './stage-progress.js';

/** What is decomposed: a factor, E[X] E[X]^T, the exact block, its difference from the Kronecker product. */
export type EigenOperator = 'input' | 'output' | 'mean_gram' | 'ggn' | 'ggn_difference';

/** One symmetric matrix to decompose. */
export interface EigenJob {
  readonly layer: string;
  readonly group: number;
  readonly operator: EigenOperator;
  /** Content id of the bundle, and the tensor in it; empty with `surrogate`. */
  readonly bundle: string;
  readonly tensor: string;
  /** Rows of the matrix. */
  readonly size: number;
  /** The surrogate of the output Hessian that follows from these is decomposed. */
  readonly surrogate?: OutputHeuristic;
}

function eigenTask({ bundle, tensor, layer, size, surrogate }: EigenJob): Task {
  const matrix = { bundle, tensor, ...(surrogate === undefined ? {} : { surrogate }) };
  const value = create(EigenTaskSchema, { ...matrix, scale: 1, layer, size: BigInt(size) });
  return create(TaskSchema, { codeVersion: CODE_VERSION, kind: { case: 'eigen', value } });
}

/** The pairs in the bundle of a decomposition. @throws KronlensError when it is none */
export async function readEigenpairs(engine: Engine, id: string): Promise<Eigenpairs> {
  const bundle = decodeBundle(await engine.store.get(id));
  const values = bundle.get('eigenvalues')?.values;
  const vectors = bundle.get('eigenvectors')?.values;
  if (values === undefined || vectors === undefined)
    throw new KronlensError('bad-task-result', 'an eigendecomposition lacks values or vectors');
  return { values, vectors };
}

/**
 * Decomposes all matrices.
 * @param handle gets each content id of a bundle, which `readEigenpairs` reads; it is asked one at a time
 * @param seen is told of every result, recorded ones included
 */
export async function runEigenStage(
  engine: Engine,
  jobs: readonly EigenJob[],
  progress: StageProgress,
  seen: (result: TaskResult) => void,
  handle: (job: EigenJob, bundle: string) => Promise<void>,
): Promise<void> {
  await runTasks(
    engine,
    {
      jobs: [...jobs].sort((a, b) => b.size - a.size),
      task: eigenTask,
      handle: (job, result) => handle(job, artifactOf(result, 'eigen')),
    },
    progress,
    seen,
  );
}
