// Optimises the posterior of a variant: a chain of tasks, with bases found between them.
import {
  type BoundHistoryRow,
  type BundleTensor,
  decodeBundle,
  KronlensError,
  type ParameterBasis,
  type TaskResult,
  taskId,
} from '@kronlens/proto';
import { withParameters } from '../../programs/index.js';
import type { Engine } from '../engine.js';
import { artifactOf } from '../factor-stage.js';
import type { StageProgress } from '../stage-progress.js';
import { findBases, type OutputOperator } from './basis-stage.js';
import type { BoundOptions, Variant } from './bound-options.js';
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
  readonly options: BoundOptions;
  readonly shared: SharedArtifacts;
  readonly seen: (result: TaskResult) => void;
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
  const { engine, run, options, shared, seen } = setting;
  let at: PosteriorState = { state: '', bases: [] };
  for (const segment of cutSegments(variant, options)) {
    const { first, last, newBasis } = segment;
    if (newBasis) at = { ...at, bases: await basesAt(setting, variant, at.state) };
    const task = posteriorTask(run, options, programs, shared, segment, at);
    const id = taskId(task);
    progress.expect(id, last - first);
    const result = await engine.queue.submit(task);
    progress.finish(id);
    seen(result);
    at = { ...at, state: artifactOf(result, 'state') };
    const tensors = decodeBundle(await engine.store.get(artifactOf(result, 'history')));
    told(historyRows(variant, first, last, tensors));
  }
  return at;
}

/** The bases at the mean of a state. */
async function basesAt(
  { engine, run, options, seen, trainedBases }: PosteriorSetting,
  variant: Variant,
  state: string,
): Promise<readonly ParameterBasis[]> {
  const operator = variant === 'iter-m' ? 'surrogate' : 'exact';
  if (state === '') return await trainedBases(operator);
  const means = stateMeans(decodeBundle(await engine.store.get(state)));
  const model = withParameters(run.model, run.parameters, means);
  return await findBases(engine, run, model, operator, options.memoryBytes, seen);
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
