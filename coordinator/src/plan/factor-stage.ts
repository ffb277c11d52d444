// The pass over the data: runs the programs over all shards and merges their sums.
import {
  create,
  type DataArray,
  encodeProgram,
  KronlensError,
  MergeTaskSchema,
  type ProgramOutput,
  ProgramTaskSchema,
  storedLength,
  type Task,
  type TaskResult,
  TaskSchema,
  taskId,
} from '@kronlens/proto';
import type { BuiltProgram, FactorPlan, ProgramPair } from '../programs/index.js';
import { CODE_VERSION } from '../version.js';
import type { Engine } from './engine.js';
import { cutShards, type Shard } from './shards.js';
import type { StageProgress } from './stage-progress.js';

export interface FactorStage {
  readonly plan: FactorPlan;
  readonly arrays: readonly DataArray[];
  readonly samples: number;
  readonly seed: number;
  /** Samples in one task as the user asked. */
  readonly shard: number | undefined;
}

/** The unscaled sums over the whole data set of one program's layers. */
export interface MergedSums {
  readonly layers: readonly string[];
  readonly outputs: readonly ProgramOutput[];
  /** Content id of the bundle, tensors named like the outputs. */
  readonly bundle: string;
}

/** A task's artifact of that name. @throws when the result lacks it: the worker is another version */
export function artifactOf(result: TaskResult, name: string): string {
  const found = result.artifacts.find((artifact) => artifact.name === name);
  if (found !== undefined) return found.id;
  throw new KronlensError(
    'bad-task-result',
    `the result of task ${result.taskId} has no artifact '${name}'; coordinator and worker do not fit together`,
  );
}

/** Stores model and manifest. @returns the manifest's content id, by which tasks know the program */
export async function storeProgram({ store }: Engine, built: BuiltProgram): Promise<string> {
  const model = await store.put(built.model);
  return await store.put(encodeProgram({ ...built.manifest, model }));
}

/** Bytes of one shard's sums. */
function resultBytes(outputs: readonly ProgramOutput[]): number {
  const values = outputs.map(({ shape, symmetric }) => storedLength(shape.map(Number), symmetric));
  return 8 * values.reduce((sum, length) => sum + length, 0);
}

/** Samples that the shard's batches cover. */
function samplesOf({ firstBatch, batchCount }: Shard, batch: number, samples: number): number {
  return Math.min(samples, (firstBatch + batchCount) * batch) - firstBatch * batch;
}

function programTask(
  stage: FactorStage,
  program: string,
  tailProgram: string,
  { firstBatch, batchCount }: Shard,
): Task {
  const value = create(ProgramTaskSchema, {
    program,
    tailProgram,
    arrays: [...stage.arrays],
    samples: BigInt(stage.samples),
    firstBatch: BigInt(firstBatch),
    batchCount: BigInt(batchCount),
    seed: BigInt(stage.seed),
  });
  return create(TaskSchema, { codeVersion: CODE_VERSION, kind: { case: 'program', value } });
}

function mergeTask(bundles: readonly string[]): Task {
  const value = create(MergeTaskSchema, { bundles: [...bundles] });
  return create(TaskSchema, { codeVersion: CODE_VERSION, kind: { case: 'merge', value } });
}

async function sumPair(
  engine: Engine,
  stage: FactorStage,
  pair: ProgramPair,
  progress: StageProgress,
  seen: (result: TaskResult) => void,
): Promise<MergedSums> {
  const program = await storeProgram(engine, pair.full);
  const tail = pair.tail === undefined ? '' : await storeProgram(engine, pair.tail);
  const { outputs } = pair.full.manifest;
  const { batch } = stage.plan;
  const { samples, shard } = stage;
  const passes = stage.plan.programs.length;
  const shards = cutShards({ samples, batch, shard, resultBytes: resultBytes(outputs) });
  const bundles = await Promise.all(
    shards.map(async (range) => {
      const task = programTask(stage, program, tail, range);
      const id = taskId(task);
      progress.expect(id, samplesOf(range, batch, samples) / passes);
      const result = await engine.queue.submit(task);
      progress.finish(id);
      seen(result);
      return artifactOf(result, 'sums');
    }),
  );
  const [only] = bundles;
  if (only !== undefined && bundles.length === 1)
    return { layers: pair.layers, outputs, bundle: only };
  const merged = await engine.queue.submit(mergeTask(bundles));
  seen(merged);
  return { layers: pair.layers, outputs, bundle: artifactOf(merged, 'sums') };
}

/**
 * The sums of every program pair, in the plan's order.
 * @param progress counts samples; each program is an equal share of every sample
 * @param seen is told of every result, recorded ones included
 */
export async function runFactorStage(
  engine: Engine,
  stage: FactorStage,
  progress: StageProgress,
  seen: (result: TaskResult) => void,
): Promise<readonly MergedSums[]> {
  return await Promise.all(
    stage.plan.programs.map((pair) => sumPair(engine, stage, pair, progress, seen)),
  );
}
