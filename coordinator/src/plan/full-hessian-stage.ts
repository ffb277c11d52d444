// The Hessian of all layers together: its exact top eigenpairs, and their approximation from stacked outputs.
import {
  type BundleTensor,
  create,
  decodeBundle,
  encodeBundle,
  FullHessianTaskSchema,
  KronlensError,
  StackedBlockSchema,
  type TaskResult,
  TaskSchema,
} from '@kronlens/proto';
import type { Layer } from '../layers/index.js';
import { fullProduct, planStackedOutput, stackedDim, weightsAndBiases } from '../programs/index.js';
import { CODE_VERSION } from '../version.js';
import { type BlockStage, runBlockStage } from './block-stage.js';
import type { TopEigenpairs } from './curvature-stage.js';
import type { Engine } from './engine.js';
import { artifactOf } from './factor-stage.js';
import { type PassSetting, runLayerPass } from './layer-pass.js';
import type { AnalysisOptions } from './options.js';
import type { StageProgress } from './stage-progress.js';
import { UsageError } from './usage-error.js';

/** The largest stacked output Hessian that is decomposed. */
const MOST_STACKED = 4096;

/** What was found of all layers together. */
export interface FullHessian {
  readonly layers: readonly Layer[];
  /** Of the Gauss-Newton matrix of all weights and biases. */
  readonly exact: TopEigenpairs;
  /** E[G^T A G], [s, s], packed. */
  readonly stacked: BundleTensor;
  /** Results of the task: see worker/src/tasks/full-hessian.ts. */
  readonly bundle: ReadonlyMap<string, BundleTensor>;
}

const gigabytes = (bytes: number) => `${(bytes / 2 ** 30).toFixed(1)} GB`;

/** @throws UsageError when the layers are too many for --full-hessian */
export function checkFullHessian(
  layers: readonly Layer[],
  { top, memoryBytes }: Pick<AnalysisOptions, 'top' | 'memoryBytes'>,
): void {
  const stacked = stackedDim(layers);
  if (stacked > MOST_STACKED)
    throw new UsageError(
      `--full-hessian: the layers have ${stacked} outputs together, at most ${MOST_STACKED} can be stacked; choose fewer with --layers`,
    );
  const dim = weightsAndBiases(layers);
  const rows = 2 * Math.max(2 * top, top + 64);
  if (8 * dim * rows > memoryBytes)
    throw new UsageError(
      `--full-hessian: ${top} eigenvectors of ${dim} weights and biases take ${gigabytes(8 * dim * rows)} to find; raise --memory, lower --top or choose fewer layers with --layers`,
    );
}

/** Means over the samples: the stacked output Hessian, and each layer's mean input. */
export interface StackedMeans {
  /** E[G^T A G], [s, s], packed. */
  readonly stacked: BundleTensor;
  /** E[x~] of each layer, [groups, n]. */
  readonly inputs: readonly BundleTensor[];
}

/** One pass over the data. */
export async function stackOutputs(
  engine: Engine,
  setting: PassSetting,
  layers: readonly Layer[],
  progress: StageProgress,
  seen: (result: TaskResult) => void,
): Promise<StackedMeans> {
  const { model, run } = setting;
  const pass = await planStackedOutput(model, layers, setting.options, run);
  const means = await runLayerPass(engine, setting, pass, progress, seen);
  const tensors = pass.program.full.manifest.outputs.map(
    ({ name, shape, symmetric }, index): BundleTensor => ({
      name,
      shape: shape.map(Number),
      symmetric,
      values: means[index]?.values ?? new Float64Array(),
    }),
  );
  const stacked = tensors.find(({ symmetric }) => symmetric);
  if (stacked === undefined) throw new Error('the pass has no stacked output Hessian');
  return { stacked, inputs: tensors.filter((tensor) => tensor !== stacked) };
}

/** Products with vectors for the exact side, one task for what it has in common with the stack. */
export async function runFullHessian(
  engine: Engine,
  { model, run, arrays, options: factorOptions }: PassSetting,
  layers: readonly Layer[],
  { stacked, inputs }: StackedMeans,
  options: BlockStage['options'],
  progress: StageProgress,
  seen: (result: TaskResult) => void,
): Promise<FullHessian> {
  const bundle = await engine.store.put(encodeBundle([stacked, ...inputs]));
  let exact: TopEigenpairs | undefined;
  const product = fullProduct(layers, factorOptions);
  const job = { product, dim: weightsAndBiases(layers), kronecker: undefined };
  // A Gauss-Newton matrix has no eigenvalues below zero.
  const part = { ...options, which: 'algebraic' as const };
  const stage = { model, run, arrays, options: part, density: undefined };
  await runBlockStage(engine, stage, [job], progress, seen, async (_job, pairs) => {
    exact = pairs;
  });
  if (exact === undefined)
    throw new KronlensError('bad-task-result', 'the full Hessian has no eigenpairs');
  const value = create(FullHessianTaskSchema, {
    bundle,
    output: stacked.name,
    blocks: inputs.map(({ name }, index) =>
      create(StackedBlockSchema, { outDim: layers[index]?.outDim ?? 0, mean: name }),
    ),
    exact: exact.bundle,
    top: options.top,
  });
  const task = create(TaskSchema, {
    codeVersion: CODE_VERSION,
    kind: { case: 'fullHessian', value },
  });
  const result = await engine.queue.submit(task);
  seen(result);
  const found = decodeBundle(await engine.store.get(artifactOf(result, 'full_hessian')));
  return { layers, exact, stacked, bundle: found };
}
