// Optimises the posterior of a variant: a chain of tasks, with bases found between them.
import {
  type BoundHistoryRow,
  type BundleTensor,
  decodeBundle,
  KronlensError,
  type ParameterBasis,
  type Task,
  type TaskResult,
  taskId,
} from '@kronlens/proto';
import { withParameters } from '../../programs/index.js';
import type { Engine } from '../engine.js';
import { artifactOf } from '../factor-stage.js';
import type { StageProgress } from '../stage-progress.js';
import { findBases, type OutputOperator } from './basis-stage.js';
import type { PosteriorOptions, Variant } from './bound-options.js';
import { ChainCheckpoint, type ChainPlace, chainId } from './chain-checkpoint.js';
import { CheckpointWatch } from './checkpoint-watch.js';
import type { Leftovers } from './leftovers.js';
import {
  type PosteriorPrograms,
  type PosteriorState,
  posteriorTask,
  type SharedArtifacts,
} from './posterior-programs.js';
import type { PreparedBound } from './prepare-bound.js';
import { cutSegments } from './segments.js';

/** What the chains of all variants share. */
export interface PosteriorSetting {
  readonly engine: Engine;
  readonly run: PreparedBound;
  readonly options: PosteriorOptions;
  readonly shared: SharedArtifacts;
  readonly seen: (result: TaskResult) => void;
  readonly leftovers: Leftovers;
  /** The bases at the trained weights; found once for each operator. */
  readonly trainedBases: (operator: OutputOperator) => Promise<readonly ParameterBasis[]>;
}

/** @param told of the epochs of every finished task */
export async function optimisePosterior(
  setting: PosteriorSetting,
  variant: Variant,
  programs: PosteriorPrograms,
  progress: StageProgress,
  told: (rows: readonly BoundHistoryRow[]) => void,
): Promise<PosteriorState> {
  const { engine, run, options, shared, seen, leftovers } = setting;
  const chain = chainId(run, options, variant, programs, shared);
  const checkpoint = new ChainCheckpoint(engine, chain, variant, leftovers);
  const noted = (result: TaskResult) => {
    checkpoint.restsOn(result);
    seen(result);
  };
  const resumed = await checkpoint.read(seen);
  let place: ChainPlace = resumed ?? { epochs: 0, at: { state: '', bases: [] }, rows: [] };
  if (resumed !== undefined) {
    progress.expect(chain, resumed.epochs);
    progress.finish(chain);
    told(resumed.rows);
  }
  let isTrainedBasis = !cutSegments(variant, options).some(
    ({ first, newBasis }) => newBasis && first > 0 && first < place.epochs,
  );
  for (const segment of cutSegments(variant, options)) {
    const { first, last, newBasis } = segment;
    if (last <= place.epochs) continue;
    let { at } = place;
    let old: readonly ParameterBasis[] = [];
    if (newBasis) {
      // The bases at the trained weights are those of several variants.
      if (!isTrainedBasis) old = at.bases;
      isTrainedBasis = first === 0;
      at = { ...at, bases: await basesAt(setting, variant, place, noted) };
    }
    const task = posteriorTask(run, options, programs, shared, segment, at);
    const id = taskId(task);
    progress.expect(id, last - first);
    const result = await submitWatched(engine, task, id, options.checkpointSeconds);
    progress.finish(id);
    noted(result);
    at = { ...at, state: artifactOf(result, 'state') };
    const tensors = decodeBundle(await engine.store.get(artifactOf(result, 'history')));
    const rows = historyRows(variant, first, last, tensors);
    told(rows);
    place = { epochs: last, at, rows: [...place.rows, ...rows] };
    await checkpoint.write(place, old);
  }
  return place.at;
}

/** The result of a task, whose checkpoints are removed on the way. */
async function submitWatched(
  engine: Engine,
  task: Task,
  id: string,
  checkpointSeconds: number,
): Promise<TaskResult> {
  const watch = new CheckpointWatch(engine.store, id, checkpointSeconds);
  let isDone = false;
  try {
    const result = await engine.queue.submit(task);
    isDone = true;
    return result;
  } finally {
    await watch.end(isDone);
  }
}

/** The bases at the mean of a state. */
async function basesAt(
  { engine, run, options, trainedBases, leftovers }: PosteriorSetting,
  variant: Variant,
  { epochs, at: { state } }: ChainPlace,
  seen: (result: TaskResult) => void,
): Promise<readonly ParameterBasis[]> {
  const operator = variant === 'iter-m' ? 'surrogate' : 'exact';
  if (state === '') return await trainedBases(operator);
  const means = stateMeans(decodeBundle(await engine.store.get(state)));
  const model = withParameters(run.model, run.parameters, means);
  const { memoryBytes } = options;
  const passing = (ids: readonly string[]) => leftovers.leave(ids, epochs);
  return await findBases(engine, run, model, { operator, memoryBytes, passing }, seen);
}

/** The mean of every parameter in a bundle "state". */
function stateMeans(state: ReadonlyMap<string, BundleTensor>): ReadonlyMap<string, Float64Array> {
  const prefix = 'mean/';
  return new Map(
    [...state]
      .filter(([name]) => name.startsWith(prefix))
      .map(([name, { values }]) => [name.slice(prefix.length), values]),
  );
}

function historyRows(
  variant: Variant,
  first: number,
  last: number,
  tensors: ReadonlyMap<string, BundleTensor>,
): readonly BoundHistoryRow[] {
  const at = (name: string, index: number): number => {
    const value = tensors.get(name)?.values[index];
    if (value !== undefined) return value;
    throw new KronlensError(
      'bad-task-result',
      `the history of a posterior lacks '${name}' of epoch ${first + index}; coordinator and worker do not fit together`,
    );
  };
  return Array.from({ length: last - first }, (_, index) => {
    const [loss, penalty] = [at('loss', index), at('penalty', index)];
    return {
      variant,
      epoch: first + index,
      objective: loss + penalty,
      loss,
      train_error: at('errors', index),
      kl: at('kl', index),
      penalty,
      rho: at('rho', index),
    };
  });
}
