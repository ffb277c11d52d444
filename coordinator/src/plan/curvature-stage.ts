// The exact blocks that are too large to be formed: one task a layer finds their top eigenpairs by products.
import {
  CurvatureTaskSchema,
  create,
  type DataArray,
  decodeBundle,
  KroneckerBlockSchema,
  KronlensError,
  OperatorSchema,
  type Task,
  type TaskResult,
  TaskSchema,
} from '@kronlens/proto';
import type { Layer } from '../layers/index.js';
import type { QuadratureMasses } from '../merge/density-rows.js';
import type { Estimate } from '../merge/estimate.js';
import { factorName } from '../merge/layer-factors.js';
import {
  type BuiltProgram,
  type CurvaturePlan,
  type DataRun,
  type FactorOptions,
  krylovBytes,
  type OpenedModel,
  planCurvature,
} from '../programs/index.js';
import { CODE_VERSION } from '../version.js';
import type { Engine } from './engine.js';
import { artifactOf, storeProgram } from './factor-stage.js';
import { runTasks } from './run-tasks.js';
import type { StageProgress } from './stage-progress.js';

/** One layer whose top eigenpairs are wanted. */
export interface CurvatureJob {
  readonly layer: Layer;
  /** Content id of the bundle with the layer's factors. */
  readonly factors: string;
}

export interface CurvatureStage {
  readonly model: OpenedModel;
  readonly options: FactorOptions;
  readonly run: DataRun;
  readonly arrays: readonly DataArray[];
  readonly seed: number;
  /** Eigenpairs a layer. */
  readonly top: number;
  /** Of lambda_1, what a residual may be. */
  readonly tolerance: number;
  /** Spectral densities; undefined: none. */
  readonly density: { readonly steps: number; readonly probes: number } | undefined;
}

/** What is known of an exact block from its products with vectors. */
export interface TopEigenpairs {
  /** Content id of the bundle that holds all this. */
  readonly bundle: string;
  /** Descending. */
  readonly values: Float64Array;
  /** |H v - lambda v| of each pair; undefined, like `converged`, where the block was formed. */
  readonly residuals?: Float64Array;
  readonly converged?: readonly boolean[];
  /** [pairs, dim], one eigenvector a row. */
  readonly vectors: Float64Array;
  /** ||H - K||_2, K the Kronecker product of the factors. */
  readonly differenceNorm: number | undefined;
  /** ||H||_F^2 and ||H - K||_F^2. */
  readonly frobenius: Estimate | undefined;
  readonly differenceFrobenius: Estimate | undefined;
  readonly density: QuadratureMasses | undefined;
  /** All eigenvalues, of a block that was formed. */
  readonly spectrum: Float64Array | undefined;
  /** Where it was asked for. */
  readonly trace: Estimate | undefined;
}

/** Random vectors of the Frobenius norms, beside the eigenvectors that are known. */
const PROBES = 32;

/** Products with vectors after which an iteration gives up. */
export function mostProducts(top: number): number {
  return 40 * (top + 16);
}

async function curvatureTask(
  engine: Engine,
  stage: CurvatureStage,
  { layer, factors }: CurvatureJob,
): Promise<Task> {
  const { model, options, run } = stage;
  const plan: CurvaturePlan = await planCurvature(model, layer, options, run, stage.top);
  const stored = async (program: BuiltProgram | undefined) =>
    program === undefined ? '' : await storeProgram(engine, program);
  const top = Math.min(stage.top, plan.dim);
  const value = create(CurvatureTaskSchema, {
    layer: layer.name,
    operator: create(OperatorSchema, {
      capture: await stored(plan.capture),
      tailCapture: await stored(plan.tailCapture),
      product: await stored(plan.product),
      tailProduct: await stored(plan.tailProduct),
      arrays: [...stage.arrays],
      samples: BigInt(stage.run.samples),
      seed: BigInt(stage.seed),
    }),
    top,
    tolerance: stage.tolerance,
    probes: PROBES,
    densitySteps: stage.density?.steps ?? 0,
    densityProbes: stage.density?.probes ?? 0,
    mostProducts: BigInt(mostProducts(top)),
    memoryBytes: BigInt(Math.floor(stage.run.memoryBytes)),
    peakBytes: BigInt(
      Math.floor(Math.min(run.memoryBytes, plan.capturedBytes)) + krylovBytes(plan.dim, top),
    ),
    kronecker: Array.from({ length: layer.groups }, (_, group) =>
      create(KroneckerBlockSchema, {
        bundle: factors,
        input: factorName('input', group),
        output: factorName('output', group),
      }),
    ),
  });
  return create(TaskSchema, { codeVersion: CODE_VERSION, kind: { case: 'curvature', value } });
}

/** What a curvature task found. */
export async function readTopEigenpairs(
  engine: Engine,
  { density }: Pick<CurvatureStage, 'density'>,
  result: TaskResult,
): Promise<TopEigenpairs> {
  const id = artifactOf(result, 'curvature');
  const bundle = decodeBundle(await engine.store.get(id));
  const values = (name: string): Float64Array => {
    const found = bundle.get(name)?.values;
    if (found !== undefined) return found;
    throw new KronlensError('bad-task-result', `the curvature of a layer lacks '${name}'`);
  };
  const residuals = bundle.get('residuals')?.values;
  const estimate = (name: string): Estimate | undefined => {
    const [value, standardError] = bundle.get(name)?.values ?? [];
    return value === undefined || standardError === undefined
      ? undefined
      : { value, standardError };
  };
  return {
    bundle: id,
    values: values('eigenvalues'),
    ...(residuals === undefined
      ? {}
      : { residuals, converged: Array.from(values('converged'), (flag) => flag === 1) }),
    vectors: values('eigenvectors'),
    differenceNorm: bundle.get('difference_norm')?.values[0],
    frobenius: estimate('frobenius'),
    differenceFrobenius: estimate('difference_frobenius'),
    trace: estimate('trace'),
    spectrum: bundle.get('spectrum')?.values,
    density:
      density === undefined || !bundle.has('density_nodes')
        ? undefined
        : {
            nodes: values('density_nodes'),
            weights: values('density_weights'),
            probes: density.probes,
          },
  };
}

/**
 * Finds the top eigenpairs of all layers, the largest blocks first.
 * @param handle gets each result; only one is in memory at a time
 * @param seen is told of every result, recorded ones included
 */
export async function runCurvatureStage(
  engine: Engine,
  stage: CurvatureStage,
  jobs: readonly CurvatureJob[],
  progress: StageProgress,
  seen: (result: TaskResult) => void,
  handle: (job: CurvatureJob, pairs: TopEigenpairs) => Promise<void>,
): Promise<void> {
  await runTasks(
    engine,
    {
      jobs: [...jobs].sort((a, b) => b.layer.params - a.layer.params),
      task: (job) => curvatureTask(engine, stage, job),
      handle: async (job, result) => handle(job, await readTopEigenpairs(engine, stage, result)),
    },
    progress,
    seen,
  );
}
