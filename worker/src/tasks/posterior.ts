// Prepares posterior tasks on the main thread: programs, data, where it starts; a pool thread does them.
import {
  type ArtifactStore,
  BadInputError,
  create,
  decodeBundle,
  decodeProgram,
  KronlensError,
  type ParameterBasis,
  type PosteriorDrawsTask,
  type PosteriorTask,
  type ProgramTask,
  ProgramTaskSchema,
} from '@kronlens/proto';
import type { DataFiles } from '../data/data-files.js';
import type { LinearAlgebra } from '../linalg/index.js';
import type { ThreadPool } from '../pool/thread-pool.js';
import { firstLogStds } from '../posterior/first-log-std.js';
import { largestRho, type PenaltyOptions } from '../posterior/penalty.js';
import type {
  BasisIds,
  BatchPrograms,
  PosteriorData,
  PosteriorStart,
} from '../posterior/posterior-job.js';
import { programParameters } from '../posterior/program-session.js';
import type { PoolJobs } from './pool-jobs.js';
import { cutRuns, layOut, neededArrays, type ProgramRequest } from './program.js';
import type { TaskArtifact } from './task-artifact.js';
import type { TaskCheckpoint } from './task-checkpoint.js';

export interface PosteriorSetting {
  readonly store: ArtifactStore;
  readonly files: DataFiles;
  readonly pool: ThreadPool<PoolJobs>;
  readonly linalg: LinearAlgebra;
}

/** Between two checkpoints of a task that does not say. */
const CHECKPOINT_SECONDS = 120;

/** The task says something that cannot be: a fault of whoever planned it. */
class PosteriorTaskError extends KronlensError {
  constructor(reason: string) {
    super('bad-task', `this posterior task cannot be executed: ${reason}`);
  }
}

/**
 * Optimises over some epochs: artifacts `state` and `history`.
 * @param checkpoint where the task goes on from, and leaves where it stands
 * @throws BadInputError or DataError when the data do not fit, DivergedError, RuntimeFailure,
 *   CancelledError, ThreadLostError (retryable)
 */
export async function executePosterior(
  task: PosteriorTask,
  setting: PosteriorSetting,
  request: ProgramRequest,
  checkpoint: TaskCheckpoint,
): Promise<readonly TaskArtifact[]> {
  const { penalty: asked, optimiser } = task;
  const [firstEpoch, lastEpoch] = [Number(task.firstEpoch), Number(task.lastEpoch)];
  const samples = Number(task.samples);
  if (asked === undefined || optimiser === undefined)
    throw new PosteriorTaskError('it has no penalty or no optimiser');
  if (lastEpoch <= firstEpoch) throw new PosteriorTaskError('it covers no epochs');
  const penalty = { ...asked, samples };
  checkPenalty(penalty, task.firstRho);
  const { programs: step, arrays } = await programsFor(task, task, setting.store);
  const capture =
    task.capture === ''
      ? undefined
      : await programsFor(
          task,
          { program: task.capture, tailProgram: task.tailCapture },
          setting.store,
        );
  const bases = basesOf(task.bases);
  const start = await startOf(task, step, bases, setting, await checkpoint.find());
  const total = samples * (lastEpoch - firstEpoch);
  const what = `epochs ${firstEpoch} to ${lastEpoch - 1} of a posterior`;
  const needed = [...new Set([...arrays, ...(capture?.arrays ?? [])])];
  return await setting.files.borrow(needed, async (layouts) => {
    const job = {
      ...dataOf(task, what, bases),
      arrays: layOut(needed, layouts),
      step,
      capture: capture?.programs,
      start,
      priorMean: task.priorMean,
      penalty,
      optimiser,
      firstEpoch,
      lastEpoch,
      checkpointMs: 1000 * (task.checkpointSeconds ?? CHECKPOINT_SECONDS),
    };
    const running = setting.pool.run('posterior', job, {
      what,
      signal: request.signal,
      onProgress: (done) => request.onProgress(done, total),
      onCheckpoint: (bytes) => checkpoint.write(bytes),
    });
    return await running.finally(() => checkpoint.settled());
  });
}

/**
 * Evaluates draws: one artifact `draws`.
 * @throws as `executePosterior`
 */
export async function executePosteriorDraws(
  task: PosteriorDrawsTask,
  setting: PosteriorSetting,
  request: ProgramRequest,
): Promise<readonly TaskArtifact[]> {
  const some = task.mean || task.drawSamples === 0n ? undefined : task.drawSamples;
  const evaluated = { ...task, samples: some ?? task.samples };
  const { programs: evaluation, arrays } = await programsFor(evaluated, task, setting.store);
  const drawCount = task.mean ? 1 : Number(task.drawCount);
  if (drawCount < 1) throw new PosteriorTaskError('it covers no draws');
  const draw =
    task.drawProgram === '' || task.mean
      ? undefined
      : decodeProgram(await setting.store.get(task.drawProgram));
  const firstDraw = Number(task.firstDraw);
  const what = `draws ${firstDraw} to ${firstDraw + drawCount - 1} of a posterior`;
  return await setting.files.borrow(arrays, async (layouts) => {
    const job = {
      ...dataOf(task, what, basesOf(task.bases)),
      arrays: layOut(arrays, layouts),
      draw,
      evaluation,
      state: task.state,
      firstDraw,
      drawCount,
      drawSamples: some === undefined ? undefined : Number(some),
      mean: task.mean,
    };
    return await setting.pool.run('posteriorDraws', job, {
      what,
      signal: request.signal,
      onProgress: (done) => request.onProgress(done, drawCount),
    });
  });
}

type DataFacts = Pick<PosteriorTask, 'arrays' | 'samples' | 'seed' | 'memoryBytes'>;
type EvaluatedData = Pick<PosteriorTask, 'arrays' | 'samples'>;

function dataOf(
  { samples, seed, memoryBytes }: DataFacts,
  what: string,
  bases: PosteriorData['bases'],
): Omit<PosteriorData, 'arrays'> {
  return { what, samples: Number(samples), seed, bases, memoryBytes: Number(memoryBytes) };
}

/** The programs and the arrays that they need; checks that the data fit. */
async function programsFor(
  task: EvaluatedData,
  { program, tailProgram }: Pick<ProgramTask, 'program' | 'tailProgram'>,
  store: Pick<ArtifactStore, 'get'>,
) {
  const { batch } = decodeProgram(await store.get(program));
  const { arrays, samples } = task;
  const batchCount = BigInt(Math.ceil(Number(samples) / Math.max(1, batch)));
  const data = create(ProgramTaskSchema, { program, tailProgram, arrays, samples, batchCount });
  const runs = await cutRuns(data, store);
  const [first, last] = [runs[0]?.program, runs[1]?.program];
  if (first === undefined) throw new PosteriorTaskError('it has no samples');
  const programs: BatchPrograms = { full: first, tail: last };
  return { programs, arrays: neededArrays(runs, data) };
}

function basesOf(bases: readonly ParameterBasis[]): ReadonlyMap<string, readonly BasisIds[]> {
  return new Map(
    bases.map(({ parameter, groups }) => [
      parameter,
      groups.map(({ output, input }) => ({ output, input })),
    ]),
  );
}

async function startOf(
  task: PosteriorTask,
  step: BatchPrograms,
  bases: ReadonlyMap<string, readonly BasisIds[]>,
  { store, linalg }: PosteriorSetting,
  checkpoint: string,
): Promise<PosteriorStart> {
  if (checkpoint !== '') return { kind: 'checkpoint', id: checkpoint };
  if (task.start !== '') return { kind: 'state', id: task.start };
  const { parameters, firstRho: rho, firstScale: scale = 1 } = task;
  if (!(scale > 0)) throw new PosteriorTaskError(`deviations cannot begin at ${scale} |w|`);
  const values = decodeBundle(await store.get(parameters));
  const facts = programParameters(step.full);
  const logStds = await firstLogStds(facts, values, bases, { rho, scale }, { store, linalg });
  return { kind: 'first', parameters, logStds, rho };
}

/** @throws BadInputError for values with which the bound makes no sense */
function checkPenalty(penalty: PenaltyOptions, rho: number): void {
  const { delta, precision, largestVariance, samples } = penalty;
  const refuse = (reason: string) => new BadInputError('bad-option', reason);
  if (samples < 2) throw refuse(`a bound needs at least 2 samples, not ${samples}`);
  if (!(delta > 0 && delta < 1)) throw refuse(`delta must lie between 0 and 1, not be ${delta}`);
  if (!(precision > 0 && largestVariance > 0))
    throw refuse(`b and c must be positive, not ${precision} and ${largestVariance}`);
  if (!(rho <= largestRho(penalty)))
    throw refuse(`rho = ${rho} is above its largest value ${largestRho(penalty)}`);
}
