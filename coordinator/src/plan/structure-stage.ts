// The structure measures: one task a layer, of its exact eigenpairs beside those of its factors.
import {
  create,
  decodeBundle,
  KroneckerBlockSchema,
  KroneckerEigenSchema,
  KroneckerPairSchema,
  type OutputHeuristic,
  StructureTaskSchema,
  type Task,
  type TaskResult,
  TaskSchema,
} from '@kronlens/proto';
import { type FactorSpectra, kroneckerSpectrum } from '../merge/kronecker-spectrum.js';
import { factorName } from '../merge/layer-factors.js';
import type { StructureBundle } from '../merge/structure-rows.js';
import { CODE_VERSION } from '../version.js';
import type { Engine } from './engine.js';
import { artifactOf } from './factor-stage.js';
import { runTasks } from './run-tasks.js';
import type { StageProgress } from './stage-progress.js';

/** The decomposed factors of one group. */
export interface DecomposedFactors {
  /** Eigenvalues, descending. */
  readonly spectra: FactorSpectra;
  /** Content ids of the bundles with the eigenpairs. */
  readonly input: string;
  readonly output: string;
}

/** One layer whose structure is to be measured. */
export interface StructureJob {
  readonly layer: string;
  /** Content id of the bundle with the layer's factors. */
  readonly factors: string;
  readonly groups: readonly DecomposedFactors[];
  /** Content id of the bundle with the exact eigenpairs; undefined: only the factors are measured. */
  readonly exact: string | undefined;
  /** Absent where no chain of linear layers leads to the logits. */
  readonly heuristic?: OutputHeuristic | undefined;
}

export interface StructureStage {
  /** Eigenpairs of either side. */
  readonly top: number;
  /** Rank of the loss's Hessian in the logits: c - 1 for cross-entropy of c classes. */
  readonly outliers: number;
}

/** The task; its Kronecker eigenpairs are those of the `kron` rows of spectra.arrow. */
export function structureTask({ top, outliers }: StructureStage, job: StructureJob): Task {
  const { layer, factors, groups, exact } = job;
  const pairs = kroneckerSpectrum(
    groups.map(({ spectra }) => spectra),
    top,
  );
  const value = create(StructureTaskSchema, {
    layer,
    exact: exact ?? '',
    factors: groups.map(({ input, output }) => create(KroneckerEigenSchema, { input, output })),
    blocks: groups.map((_, group) =>
      create(KroneckerBlockSchema, {
        bundle: factors,
        input: factorName('input', group),
        output: factorName('output', group),
      }),
    ),
    pairs: pairs.map(({ group, outputIndex, inputIndex }) =>
      create(KroneckerPairSchema, { group, output: outputIndex, input: inputIndex }),
    ),
    classes: outliers + 1,
    top,
    ...(job.heuristic === undefined ? {} : { heuristic: job.heuristic }),
  });
  return create(TaskSchema, { codeVersion: CODE_VERSION, kind: { case: 'structure', value } });
}

/**
 * Measures all layers.
 * @param handle gets each result; only one is in memory at a time
 * @param seen is told of every result, recorded ones included
 */
export async function runStructureStage(
  engine: Engine,
  stage: StructureStage,
  jobs: readonly StructureJob[],
  progress: StageProgress,
  seen: (result: TaskResult) => void,
  handle: (job: StructureJob, bundle: StructureBundle) => Promise<void>,
): Promise<void> {
  await runTasks(
    engine,
    {
      jobs,
      task: (job) => structureTask(stage, job),
      handle: async (job, result) => {
        const bytes = await engine.store.get(artifactOf(result, 'structure'));
        await handle(job, decodeBundle(bytes));
      },
    },
    progress,
    seen,
  );
}
