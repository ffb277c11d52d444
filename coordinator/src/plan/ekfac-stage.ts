// EKFAC: one pass over the data a layer finds the diagonal of its exact block in the Kronecker eigenbasis.
import { decodeBundle, KronlensError, type TaskResult } from '@kronlens/proto';
import type { Layer } from '../layers/index.js';
import { type KroneckerBasis, planEkfac } from '../programs/index.js';
import type { Engine } from './engine.js';
import { type PassSetting, runLayerPass } from './layer-pass.js';
import type { StageProgress } from './stage-progress.js';

/** One layer whose factors are decomposed. */
export interface EkfacJob {
  readonly layer: Layer;
  /** Content ids of the bundles with the eigenpairs of each group's factors. */
  readonly groups: readonly { readonly input: string; readonly output: string }[];
}

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
  setting: PassSetting,
  { layer, groups }: EkfacJob,
  progress: StageProgress,
  seen: (result: TaskResult) => void,
): Promise<Float64Array> {
  const { model, options, run } = setting;
  const basis: KroneckerBasis[] = [];
  for (const { input, output } of groups)
    basis.push({
      input: await eigenvectors(engine, input),
      output: await eigenvectors(engine, output),
    });
  const pass = await planEkfac(model, layer, basis, options, run);
  const [diagonal] = await runLayerPass(engine, setting, pass, progress, seen);
  return diagonal?.values ?? new Float64Array();
}
