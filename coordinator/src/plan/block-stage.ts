// Blocks that are known by second derivatives alone: one curvature task for each, by products with vectors.
import {
  CurvatureTaskSchema,
  create,
  type DataArray,
  KroneckerBlockSchema,
  OperatorSchema,
  SpectrumPart,
  type Task,
  type TaskResult,
  TaskSchema,
} from '@kronlens/proto';
import { factorName } from '../merge/layer-factors.js';
import {
  type BlockProduct,
  type BuiltProgram,
  type DataRun,
  krylovBytes,
  type OpenedModel,
  planBlockProduct,
} from '../programs/index.js';
import { CODE_VERSION } from '../version.js';
import {
  type CurvatureStage,
  mostProducts,
  readTopEigenpairs,
  type TopEigenpairs,
} from './curvature-stage.js';
import type { Engine } from './engine.js';
import { storeProgram } from './factor-stage.js';
import type { AnalysisOptions } from './options.js';
import { runTasks } from './run-tasks.js';
import type { StageProgress } from './stage-progress.js';

/** One block whose eigenpairs, trace and norm are wanted. */
export interface BlockJob {
  readonly product: BlockProduct;
  /** Entries of a vector. */
  readonly dim: number;
  /** Content id of the bundle with the layer's factors, and their groups; undefined: no layer. */
  readonly kronecker: { readonly factors: string; readonly groups: number } | undefined;
}

export interface BlockStage {
  readonly model: OpenedModel;
  readonly run: DataRun;
  readonly arrays: readonly DataArray[];
  readonly options: Pick<AnalysisOptions, 'seed' | 'top' | 'tolerance' | 'dense' | 'which'>;
  /** Spectral densities; undefined: none. */
  readonly density: CurvatureStage['density'];
}

const PARTS: Readonly<Record<AnalysisOptions['which'], SpectrumPart>> = {
  algebraic: SpectrumPart.LARGEST,
  magnitude: SpectrumPart.LARGEST_MAGNITUDE,
  both: SpectrumPart.BOTH_ENDS,
};

/** Random vectors of the Frobenius norms and of the trace, beside the eigenvectors that are known. */
const PROBES = 16;
const TRACE_SKETCH = 8;

async function blockTask(engine: Engine, stage: BlockStage, job: BlockJob): Promise<Task> {
  const { model, run, options } = stage;
  const { product, kronecker, dim } = job;
  const plan = await planBlockProduct(model, product, run, engine.evaluator);
  const stored = async (program: BuiltProgram | undefined) =>
    program === undefined ? '' : await storeProgram(engine, program);
  // What is not negative has its largest magnitudes at the upper end.
  const which = product.kind === 'hessian' ? options.which : 'algebraic';
  const top = Math.min(which === 'both' ? 2 * options.top : options.top, dim);
  const value = create(CurvatureTaskSchema, {
    layer: product.layer,
    operator: create(OperatorSchema, {
      product: await stored(plan.product),
      tailProduct: await stored(plan.tailProduct),
      arrays: [...stage.arrays],
      samples: BigInt(run.samples),
      seed: BigInt(options.seed),
    }),
    top,
    part: PARTS[which],
    dense: dim <= options.dense,
    tolerance: options.tolerance,
    probes: PROBES,
    traceSketch: TRACE_SKETCH,
    traceProbes: PROBES,
    densitySteps: stage.density?.steps ?? 0,
    densityProbes: stage.density?.probes ?? 0,
    mostProducts: BigInt(mostProducts(top)),
    memoryBytes: BigInt(Math.floor(run.memoryBytes)),
    peakBytes: BigInt(krylovBytes(dim, top)),
    kronecker: Array.from({ length: kronecker?.groups ?? 0 }, (_, group) =>
      create(KroneckerBlockSchema, {
        bundle: kronecker?.factors ?? '',
        input: factorName('input', group),
        output: factorName('output', group),
      }),
    ),
  });
  return create(TaskSchema, { codeVersion: CODE_VERSION, kind: { case: 'curvature', value } });
}

/**
 * Finds eigenpairs, traces and norms of all blocks, the largest first.
 * @param handle gets each result; only one is in memory at a time
 * @param seen is told of every result, recorded ones included
 */
export async function runBlockStage<Job extends BlockJob>(
  engine: Engine,
  stage: BlockStage,
  jobs: readonly Job[],
  progress: StageProgress,
  seen: (result: TaskResult) => void,
  handle: (job: Job, pairs: TopEigenpairs) => Promise<void>,
): Promise<void> {
  await runTasks(
    engine,
    {
      jobs: [...jobs].sort((a, b) => b.dim - a.dim),
      task: (job) => blockTask(engine, stage, job),
      handle: async (job, result) => handle(job, await readTopEigenpairs(engine, stage, result)),
    },
    progress,
    seen,
  );
}
