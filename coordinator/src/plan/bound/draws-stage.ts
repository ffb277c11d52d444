// Evaluates a posterior by Monte Carlo: errors of weights drawn from it, and of its mean.
import { decodeBundle, KronlensError, taskId } from '@kronlens/proto';
import { artifactOf } from '../factor-stage.js';
import type { StageProgress } from '../stage-progress.js';
import {
  type DrawRange,
  drawsTask,
  type PosteriorPrograms,
  type PosteriorState,
} from './posterior-programs.js';
import type { PosteriorSetting } from './posterior-stage.js';

/**
 * The share of wrong samples: of the posterior, as a mean over draws, and of its mean. Each draw's share is one
 * of samples chosen at random: independent numbers in [0, 1] whose expectation is the posterior's error, which
 * is all that the bound on it needs.
 */
export interface PosteriorErrors {
  readonly draws: number;
  readonly error: number;
  /** Of `error`, over the draws; null for one draw. */
  readonly standardError: number | null;
  readonly meanError: number;
}

const MEAN: DrawRange = { first: 0, count: 1, mean: true };

/** Tasks of one evaluation at most; their results do not depend on it. */
const TASKS = 32;
/** Draws in one task at least: it reads data and state once. */
const LEAST_DRAWS = 8;

/** Cuts draws [0, count) into tasks. */
function cutDraws(count: number): readonly DrawRange[] {
  const size = Math.max(LEAST_DRAWS, Math.ceil(count / TASKS));
  return Array.from({ length: Math.ceil(count / size) }, (_, index) => ({
    first: index * size,
    count: Math.min(size, count - index * size),
    mean: false,
  }));
}

/** @param progress counts draws, the mean as one */
export async function evaluatePosterior(
  { engine, run, options, shared, seen }: PosteriorSetting,
  posterior: PosteriorState,
  { draw }: PosteriorPrograms,
  which: 'train' | 'test',
  progress: StageProgress,
): Promise<PosteriorErrors | undefined> {
  const data = which === 'train' ? run.data : run.test;
  const programs = shared[which];
  if (data === undefined || programs === undefined) return undefined;
  const draws =
    which === 'train' ? options.mcSamples : Math.min(options.testDraws, options.mcSamples);
  const { drawSamples } = programs;
  const wrong = async (range: DrawRange): Promise<readonly number[]> => {
    const task = drawsTask(data, options, draw, programs, posterior, range);
    const id = taskId(task);
    progress.expect(id, range.count);
    const result = await engine.queue.submit(task);
    progress.finish(id);
    seen(result);
    return readErrors(await engine.store.get(artifactOf(result, 'draws')), range, samplesOf(range));
  };
  const samplesOf = ({ mean }: DrawRange) => (mean ? data.samples : drawSamples);
  const mean = wrong(MEAN);
  const drawn = await Promise.all([mean, ...cutDraws(draws).map(wrong)]);
  const [ofMean = [], ...ranges] = drawn;
  return { ...momentsOf(ranges.flat(), drawSamples), meanError: (ofMean[0] ?? 0) / data.samples };
}

/** The share of wrong training samples of the trained network. @param progress counts it as a draw */
export async function trainedError(
  { engine, run: { data }, options, shared, seen }: PosteriorSetting,
  progress: StageProgress,
): Promise<number> {
  const at = { state: shared.trainedState, bases: [] };
  const task = drawsTask(data, options, '', shared.train, at, MEAN);
  const id = taskId(task);
  progress.expect(id, 1);
  const result = await engine.queue.submit(task);
  progress.finish(id);
  seen(result);
  const bytes = await engine.store.get(artifactOf(result, 'draws'));
  return (readErrors(bytes, MEAN, data.samples)[0] ?? 0) / data.samples;
}

/** @throws KronlensError unless there is a count between 0 and the number of samples for each draw */
function readErrors(bytes: Uint8Array, { count }: DrawRange, samples: number): readonly number[] {
  const errors = decodeBundle(bytes).get('errors')?.values;
  const isCount = (value: number) => Number.isInteger(value) && value >= 0 && value <= samples;
  if (errors?.length !== count || !errors.every(isCount))
    throw new KronlensError(
      'bad-task-result',
      `the result of ${count} draws is not ${count} counts of wrong samples; coordinator and worker do not fit together`,
    );
  return [...errors];
}

/** Mean and standard error of counts of wrong samples, as shares. Sums of whole numbers are exact. */
function momentsOf(wrong: readonly number[], samples: number) {
  const draws = wrong.length;
  const sum = wrong.reduce((total, value) => total + value, 0);
  const mean = sum / draws;
  const squares = wrong.reduce((total, value) => total + (value - mean) ** 2, 0);
  return {
    draws,
    error: sum / (draws * samples),
    standardError: draws < 2 ? null : Math.sqrt(squares / (draws - 1) / draws) / samples,
  };
}
