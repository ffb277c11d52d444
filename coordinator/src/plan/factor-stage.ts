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
  TaskResultSchema,
  TaskSchema,
  taskId,
} from '@kronlens/proto';
import type { BuiltProgram, FactorPlan, ProgramPair } from '../programs/index.js';
import { CODE_VERSION } from '../version.js';
import type { Engine } from './engine.js';
import { distinctHardware } from './hardware-of.js';
import { Places } from './places.js';
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

/** Tasks of shards that are asked for at a time: more than a queue sends. */
const MOST_ASKED = 4096;

/** Samples that the shard's batches cover. */
function samplesOf({ firstBatch, batchCount }: Shard, batch: number, samples: number): number {
  return Math.min(samples, (firstBatch + batchCount) * batch) - firstBatch * batch;
}

function programTask(
  stage: FactorStage,
  { peakBytes = 0 }: ProgramPair,
  [program, tailProgram]: readonly [string, string],
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
    peakBytes: BigInt(peakBytes),
  });
  return create(TaskSchema, { codeVersion: CODE_VERSION, kind: { case: 'program', value } });
}

function mergeTask(bundles: readonly string[]): Task {
  const value = create(MergeTaskSchema, { bundles: [...bundles] });
  return create(TaskSchema, { codeVersion: CODE_VERSION, kind: { case: 'merge', value } });
}

/** A bundle was there when its task was done, and is gone: somebody tidied the store. */
const isGone = (error: unknown): boolean =>
  error instanceof KronlensError && error.code === 'artifact-missing';

/** Times that shards are asked for again because their sums are gone. */
const MOST_ROUNDS = 3;

/** The sums of one program over all shards. */
class PairSums {
  readonly #engine: Engine;
  readonly #stage: FactorStage;
  readonly #pair: ProgramPair;
  readonly #progress: StageProgress;
  readonly #places: Places;
  readonly #seen: (result: TaskResult) => void;
  #programs: readonly [string, string] = ['', ''];
  #shards: readonly Shard[] = [];

  constructor(
    engine: Engine,
    stage: FactorStage,
    pair: ProgramPair,
    progress: StageProgress,
    places: Places,
    seen: (result: TaskResult) => void,
  ) {
    this.#engine = engine;
    this.#stage = stage;
    this.#pair = pair;
    this.#progress = progress;
    this.#places = places;
    this.#seen = seen;
  }

  /** Asks for all shards. @returns when that is done; `sums` comes later */
  async begin(): Promise<{ readonly sums: Promise<MergedSums> }> {
    const { full, tail } = this.#pair;
    const { samples, shard, plan } = this.#stage;
    this.#programs = [
      await storeProgram(this.#engine, full),
      tail === undefined ? '' : await storeProgram(this.#engine, tail),
    ];
    const { batch } = plan;
    const bytes = resultBytes(full.manifest.outputs);
    this.#shards = cutShards({ samples, batch, shard, resultBytes: bytes });
    const whole = this.#task({ firstBatch: 0, batchCount: Math.ceil(samples / batch) });
    const wholeId = taskId(whole);
    const recorded =
      this.#shards.length > 1 ? await this.#engine.store.getResult(wholeId) : undefined;
    if (recorded !== undefined) {
      this.#progress.expect(wholeId, samples / plan.programs.length);
      this.#progress.finish(wholeId);
      return { sums: Promise.resolve(this.#finished(recorded)) };
    }
    const first = await this.#ask();
    const sums = this.#merge(first, wholeId);
    // It is looked at when all programs have begun.
    sums.catch(() => {});
    return { sums };
  }

  #task(range: Shard): Task {
    return programTask(this.#stage, this.#pair, this.#programs, range);
  }

  #finished(result: TaskResult): MergedSums {
    this.#seen(result);
    const { layers, full } = this.#pair;
    return { layers, outputs: full.manifest.outputs, bundle: artifactOf(result, 'sums') };
  }

  async #ask(): Promise<readonly Promise<TaskResult>[]> {
    const { plan, samples } = this.#stage;
    const results: Promise<TaskResult>[] = [];
    for (const range of this.#shards) {
      await this.#places.take();
      const task = this.#task(range);
      const id = taskId(task);
      this.#progress.expect(id, samplesOf(range, plan.batch, samples) / plan.programs.length);
      const result = this.#engine.queue.submit(task).finally(() => this.#places.giveBack());
      result.then(
        () => this.#progress.finish(id),
        (reason: unknown) => this.#places.close(reason),
      );
      results.push(result);
    }
    return results;
  }

  async #merge(first: readonly Promise<TaskResult>[], wholeId: string): Promise<MergedSums> {
    for (let round = 1, asked = first; ; round++, asked = await this.#ask()) {
      const results = await Promise.all(asked);
      const [only] = results;
      if (only !== undefined && results.length === 1) return this.#finished(only);
      const bundles = results.map((result) => artifactOf(result, 'sums'));
      let merged: TaskResult;
      try {
        merged = await this.#engine.queue.submit(
          mergeTask(bundles),
          (error) => isGone(error) && round < MOST_ROUNDS,
        );
      } catch (error) {
        if (isGone(error) && round < MOST_ROUNDS) continue;
        throw error;
      }
      // What the whole data set gives does not depend on the shards: this is its task's result.
      const { artifacts, elapsedMs } = merged;
      const parts = distinctHardware([...results, merged]);
      const whole = create(TaskResultSchema, { taskId: wholeId, artifacts, elapsedMs, parts });
      await this.#engine.store.putResult(wholeId, whole);
      const sums = this.#finished(whole);
      await this.#forget(new Set(bundles), sums.bundle);
      return sums;
    }
  }

  /** Removes partial sums. Should others want them, they are computed again. */
  async #forget(bundles: ReadonlySet<string>, merged: string): Promise<void> {
    for (const id of bundles)
      if (id !== merged) await this.#engine.store.delete(id).catch(() => {});
  }
}

/**
 * The sums of every program pair, in the plan's order. Only so many tasks are asked for at a time, and
 * partial sums are removed once they are merged.
 * @param progress counts samples; each program is an equal share of every sample
 * @param seen is told of every result, recorded ones included
 */
export async function runFactorStage(
  engine: Engine,
  stage: FactorStage,
  progress: StageProgress,
  seen: (result: TaskResult) => void,
): Promise<readonly MergedSums[]> {
  const places = new Places(MOST_ASKED);
  const begun: Promise<MergedSums>[] = [];
  for (const pair of stage.plan.programs) {
    const sums = new PairSums(engine, stage, pair, progress, places, seen);
    begun.push((await sums.begin()).sums);
  }
  return await Promise.all(begun);
}
