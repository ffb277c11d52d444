// EKFAC: one pass over the data a layer finds the diagonal of its exact block in the Kronecker eigenbasis.
import { decodeBundle, KronlensError, type TaskResult } from '@kronlens/proto';
import type { Layer } from '../layers/index.js';
import { type KroneckerBasis, planEkfac } from '../programs/index.js';
import type { CurvatureStage } from './curvature-stage.js';
import type { Engine } from './engine.js';
import { runFactorStage } from './factor-stage.js';
import type { StageProgress } from './stage-progress.js';

/** One layer whose factors are decomposed. */
export interface EkfacJob {
  readonly layer: Layer;
  /** Content ids of the bundles with the eigenpairs of each group's factors. */
  readonly groups: readonly { readonly input: string; readonly output: string }[];
}

export type EkfacStage = Pick<CurvatureStage, 'model' | 'options' | 'run' | 'arrays' | 'seed'> & {
  /** Samples in one task as the user asked. */
  readonly shard: number | undefined;
};

async function eigenvectors(engine: Engine, bundle: string): Promise<Float64Array> {
  const found = decodeBundle(await engine.store.get(bundle)).get('eigenvectors');
  if (found === undefined)
    throw new KronlensError('bad-task-result', 'an eigendecomposition lacks its vectors');
  return found.values;
}

/**
 * @returns E[sum_c (u_a^T J_c v_b)^2] of every group, output and input eigenvector: [G, m, n]
 */
export async function runEkfac(
  engine: Engine,
  stage: EkfacStage,
  { layer, groups }: EkfacJob,
  progress: StageProgress,
  seen: (result: TaskResult) => void,
): Promise<Float64Array> {
  const { model, options, run, arrays, seed, shard } = stage;
  const basis: KroneckerBasis[] = [];
  for (const { input, output } of groups)
    basis.push({
      input: await eigenvectors(engine, input),
      output: await eigenvectors(engine, output),
    });
  const { batch, program } = await planEkfac(model, layer, basis, options, run);
  const plan = { batch, programs: [program], folds: new Map() };
  const { samples } = run;
  const [merged] = await runFactorStage(
    engine,
    { plan, arrays, samples, seed, shard },
    progress,
    seen,
  );
  const sums = merged && decodeBundle(await engine.store.get(merged.bundle));
  const [output] = merged?.outputs ?? [];
  const sum = output && sums?.get(output.name);
  if (sum === undefined) throw new KronlensError('bad-task-result', 'an EKFAC pass has no sums');
  return sum.values.map((value) => value / samples);
}
