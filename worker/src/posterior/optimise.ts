// Minimises surrogate loss plus penalty over a Gaussian posterior, epoch by epoch, in a pool thread.
import { CancelledError, decodeBundle } from '@kronlens/proto';
import type { JobContext } from '../pool/serve-jobs.js';
import type { TaskArtifact } from '../tasks/task-artifact.js';
import { decodeCheckpoint, type EpochPlace, encodeCheckpoint, TASK_START } from './checkpoint.js';
import { DivergedError } from './diverged-error.js';
import { type EpochRecord, encodeHistory } from './history.js';
import { type NoiseSums, type ParameterArrays, ParameterMemory } from './parameter-memory.js';
import { type GaussianSums, largestRho, penaltyAt } from './penalty.js';
import type { OptimiserOptions, PosteriorJob } from './posterior-job.js';
import { BasisTensors, ProgramSession, programParameters } from './program-session.js';
import { epochOrder } from './sample-order.js';
import { SampleRows } from './sample-rows.js';
import { decodeState, encodeState, readInto, type Scalars } from './state.js';
import {
  type BatchSides,
  batchesOf,
  CapturedRows,
  dataInputs,
  openSides,
  releaseSides,
  sideFor,
} from './step-feeds.js';
import { noiseCounter, STREAMS, seedWords } from './streams.js';

/**
 * The state and the history after the job's epochs. The same job gives the same bytes on processors of
 * one kind, and epochs in one job the same as in several, with whatever checkpoints between.
 * @throws DivergedError; DataError, BadInputError, RuntimeFailure, CancelledError
 */
export async function optimise(
  job: PosteriorJob,
  context: JobContext,
): Promise<readonly TaskArtifact[]> {
  const memory = new ParameterMemory(programParameters(job.step.full));
  const { scalars, place } = await start(job, memory, context);
  const optimisation = await Optimisation.open(job, memory, scalars, context);
  try {
    const epochs = await optimisation.epochs(place);
    return [
      { name: 'state', bytes: encodeState(memory, scalars) },
      { name: 'history', bytes: encodeHistory(epochs, memory.dimension) },
    ];
  } finally {
    await optimisation.release();
  }
}

/** Fills the memory with where the job begins. */
async function start(
  job: PosteriorJob,
  memory: ParameterMemory,
  context: JobContext,
): Promise<{ readonly scalars: Scalars; readonly place: EpochPlace }> {
  if (job.priorMean !== '')
    readInto(decodeBundle(await context.artifact(job.priorMean)), '', memory, 'prior');
  const { start: from } = job;
  if (from.kind === 'checkpoint') return decodeCheckpoint(await context.artifact(from.id), memory);
  if (from.kind === 'state') {
    const scalars = decodeState(await context.artifact(from.id), memory);
    return { scalars, place: TASK_START };
  }
  readInto(decodeBundle(await context.artifact(from.parameters)), '', memory, 'mean');
  for (const parameter of memory.parameters) {
    const logStd = from.logStds.get(parameter.facts.name);
    if (logStd === undefined) throw new Error(`no start for '${parameter.facts.name}'`);
    parameter.values('logStd').set(logStd);
  }
  return { scalars: { rho: from.rho, rhoSquare: 0, steps: 0 }, place: TASK_START };
}

function rateAt({ learningRate, decay, decayEpochs }: OptimiserOptions, epoch: number): number {
  return decayEpochs === 0 ? learningRate : learningRate * decay ** Math.floor(epoch / decayEpochs);
}

class Optimisation {
  readonly #job: PosteriorJob;
  readonly #memory: ParameterMemory;
  readonly #scalars: Scalars;
  readonly #context: JobContext;
  readonly #sides: BatchSides;
  readonly #captureSides: BatchSides | undefined;
  readonly #captured: CapturedRows | undefined;
  readonly #key: readonly [number, number];
  /** Of the present state, whose noise for the next step is drawn. */
  #sums: GaussianSums;
  #savedAt = performance.now();

  private constructor(
    job: PosteriorJob,
    memory: ParameterMemory,
    scalars: Scalars,
    context: JobContext,
    sides: BatchSides,
    captureSides: BatchSides | undefined,
    captured: CapturedRows | undefined,
  ) {
    this.#job = job;
    this.#memory = memory;
    this.#scalars = scalars;
    this.#context = context;
    this.#sides = sides;
    this.#captureSides = captureSides;
    this.#captured = captured;
    this.#key = seedWords(job.seed);
    this.#sums = this.#withNoise((parameter, counter) =>
      memory.addNoise(parameter, counter, this.#key),
    );
  }

  static async open(
    job: PosteriorJob,
    memory: ParameterMemory,
    scalars: Scalars,
    context: JobContext,
  ): Promise<Optimisation> {
    const programs = [job.step, ...(job.capture === undefined ? [] : [job.capture])];
    const all = programs.flatMap(({ full, tail }) => (tail === undefined ? [full] : [full, tail]));
    const { samples, memoryBytes } = job;
    const rows = await SampleRows.open(dataInputs(all), job.arrays, samples, memoryBytes);
    const bases = new BasisTensors(job.bases, context);
    const open = (program: Parameters<typeof ProgramSession.open>[0]) =>
      ProgramSession.open(
        program,
        memory,
        bases,
        (parameter, role) => parameter.input(role),
        (parameter, kind) =>
          parameter.tensor(kind === 'noise_gradient' ? 'noiseGradient' : 'gradient'),
        context,
      );
    const sides = await openSides(job.step, rows, open);
    const captureSides = job.capture && (await openSides(job.capture, rows, open));
    const captured =
      captureSides && (await CapturedRows.open(captureSides, samples, memoryBytes, context));
    return new Optimisation(job, memory, scalars, context, sides, captureSides, captured);
  }

  async release(): Promise<void> {
    await releaseSides(this.#sides);
    await releaseSides(this.#captureSides);
  }

  /** All epochs of the job, from a place on that the memory is at. */
  async epochs(place: EpochPlace): Promise<readonly EpochRecord[]> {
    const { firstEpoch, lastEpoch } = this.#job;
    const epochs = [...place.epochs];
    let begun: EpochPlace = { ...place, epochs };
    while (firstEpoch + epochs.length < lastEpoch) {
      epochs.push(await this.#epoch(firstEpoch + epochs.length, begun));
      begun = { ...TASK_START, epochs };
    }
    return epochs;
  }

  /** The rest of an epoch. */
  async #epoch(epoch: number, begun: EpochPlace): Promise<EpochRecord> {
    const { seed, samples, optimiser } = this.#job;
    const order = epochOrder(seed, epoch, samples);
    const rate = rateAt(optimiser, epoch);
    const { batch } = this.#sides.full.feeds;
    const totals = { ...begun };
    for (const some of batchesOf(order.subarray(begun.steps * batch), batch)) {
      const step = await this.#stepOrSave(some, rate, epoch, totals);
      totals.loss += step.loss;
      totals.errors += step.errors;
      totals.steps += 1;
      const done = Math.min(totals.steps * batch, samples);
      this.#context.progress(begun.epochs.length * samples + done);
      if (performance.now() - this.#savedAt >= this.#job.checkpointMs) this.#save(totals);
    }
    const sums = this.#exactSums();
    const { rho } = this.#scalars;
    const { kl, value } = penaltyAt(sums, rho, this.#job.penalty);
    if (!Number.isFinite(kl)) throw this.#diverged('divergence', epoch);
    return {
      loss: totals.loss / samples,
      errors: totals.errors / samples,
      kl,
      penalty: value,
      rho,
      variance_sum: sums.variance,
      squared_distance: sums.distance,
      log_std_sum: sums.logStd,
    };
  }

  /** A step; called off before it, the job leaves a checkpoint. */
  async #stepOrSave(some: Uint32Array, rate: number, epoch: number, place: EpochPlace) {
    try {
      return await this.#step(some, rate, epoch);
    } catch (error) {
      if (error instanceof CancelledError) this.#save(place);
      throw error;
    }
  }

  /** Hands over where the job stands between two steps. */
  #save(place: EpochPlace): void {
    this.#context.checkpoint(encodeCheckpoint(this.#memory, this.#scalars, place));
    this.#savedAt = performance.now();
  }

  /** One step on the mean loss of a batch. @returns sums over the batch */
  async #step(
    samples: Uint32Array,
    rate: number,
    epoch: number,
  ): Promise<{ readonly loss: number; readonly errors: number }> {
    const penalty = penaltyAt(this.#sums, this.#scalars.rho, this.#job.penalty);
    if (!Number.isFinite(penalty.value)) throw this.#diverged('penalty', epoch);
    const { session, feeds } = sideFor(this.#sides, samples.length);
    const data = await feeds.of(samples);
    const captured = await this.#captured?.of(samples, feeds.batch, this.#context);
    await session.run({ ...data, ...captured }, this.#context);
    const [loss = NaN] = session.output('loss');
    const [errors = NaN] = session.output('errors');
    if (!Number.isFinite(loss)) throw this.#diverged('loss', epoch);
    this.#update(rate, 1 / samples.length, penalty.slope, penalty.ofRho);
    return { loss, errors };
  }

  /** Draws the noise of the coming step. @returns the sums over all parameters */
  #withNoise(
    draw: (parameter: ParameterArrays, counter: ReturnType<typeof noiseCounter>) => NoiseSums,
  ): GaussianSums {
    const { dimension, parameters } = this.#memory;
    let [variance, distance, logStd] = [0, 0, 0];
    for (const [index, parameter] of parameters.entries()) {
      const sums = draw(parameter, noiseCounter(STREAMS.step, this.#scalars.steps, index));
      variance += sums.variance;
      distance += sums.distance;
      logStd += sums.logStd;
    }
    return { variance, distance, logStd, dimension };
  }

  #update(rate: number, scale: number, slope: number, ofRho: number): void {
    const scalars = this.#scalars;
    const { alpha, epsilon } = this.#job.optimiser;
    const rest = 1 - alpha;
    const pull = slope * Math.exp(-2 * scalars.rho);
    const factors = { scale, pull, push: slope, alpha, rest, rate, epsilon };
    scalars.steps += 1;
    this.#sums = this.#withNoise((parameter, counter) =>
      this.#memory.step(parameter, counter, this.#key, factors),
    );
    scalars.rhoSquare = alpha * scalars.rhoSquare + rest * ofRho ** 2;
    const moved = scalars.rho - (rate * ofRho) / (Math.sqrt(scalars.rhoSquare) + epsilon);
    scalars.rho = Math.min(moved, largestRho(this.#job.penalty));
  }

  /** The sums in float64 throughout. */
  #exactSums(): GaussianSums {
    const { dimension, parameters } = this.#memory;
    let [variance, distance, logStd] = [0, 0, 0];
    for (const parameter of parameters) {
      const [s, w, theta] = [
        parameter.values('logStd'),
        parameter.values('mean'),
        parameter.values('prior'),
      ];
      for (let i = 0; i < parameter.length; i++) {
        variance += Math.exp(2 * (s[i] as number));
        distance += ((w[i] as number) - (theta[i] as number)) ** 2;
        logStd += s[i] as number;
      }
    }
    return { variance, distance, logStd, dimension };
  }

  #diverged(what: string, epoch: number): DivergedError {
    return new DivergedError(what, this.#scalars.steps, epoch, this.#memory.parameters);
  }
}
