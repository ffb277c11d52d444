// Runs a pass over the data for one layer and returns its means.
import { type DataArray, decodeBundle, KronlensError, type TaskResult } from '@kronlens/proto';
import type { DataRun, FactorOptions, LayerPass, OpenedModel } from '../programs/index.js';
import type { Engine } from './engine.js';
import { runFactorStage } from './factor-stage.js';
import type { StageProgress } from './stage-progress.js';

/** What the passes of a run have in common. */
export interface PassSetting {
  readonly model: OpenedModel;
  readonly options: FactorOptions;
  readonly run: DataRun;
  readonly arrays: readonly DataArray[];
  readonly seed: number;
  /** Samples in one task as the user asked. */
  readonly shard: number | undefined;
}

/** The mean over the samples of one output of a pass. */
export interface PassMean {
  /** What it is, as the program says. */
  readonly kind: string;
  /** Packed where it is symmetric. */
  readonly values: Float64Array;
}

/** Means over the samples of the program's outputs, in the order of its manifest. */
export async function runLayerPass(
  engine: Engine,
  { run, arrays, seed, shard }: PassSetting,
  { batch, program }: LayerPass,
  progress: StageProgress,
  seen: (result: TaskResult) => void,
): Promise<readonly PassMean[]> {
  const plan = { batch, programs: [program], folds: new Map() };
  const { samples } = run;
  const stage = { plan, arrays, samples, seed, shard };
  const [merged] = await runFactorStage(engine, stage, progress, seen);
  if (merged === undefined) throw new Error('a pass has one program');
  const sums = decodeBundle(await engine.store.get(merged.bundle));
  return merged.outputs.map(({ name, kind }) => {
    const sum = sums.get(name);
    if (sum === undefined)
      throw new KronlensError('bad-task-result', `the sums of a pass lack '${name}'`);
    return { kind, values: sum.values.map((value) => value / samples) };
  });
}
