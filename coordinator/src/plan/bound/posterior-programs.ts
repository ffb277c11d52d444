// Plans and stores the programs of posteriors, and makes the tasks that run them.
import {
  create,
  encodeBundle,
  type ParameterBasis,
  PosteriorDrawsTaskSchema,
  PosteriorTaskSchema,
  PriorPenaltySchema,
  RmsPropSchema,
  type Task,
  TaskSchema,
} from '@kronlens/proto';
import {
  type ProgramPair,
  parametersOf,
  planEvaluation,
  planPosterior,
} from '../../programs/index.js';
import { CODE_VERSION } from '../../version.js';
import type { Engine } from '../engine.js';
import { storeProgram } from '../factor-stage.js';
import type { RunData } from '../run-data.js';
import { basisLayers } from './basis-stage.js';
import type { BoundOptions, PosteriorOptions } from './bound-options.js';
import type { PreparedBound } from './prepare-bound.js';
import type { Segment } from './segments.js';

/** Where a posterior stands. */
export interface PosteriorState {
  /** Content id of a bundle "state"; empty: the beginning. */
  readonly state: string;
  /** What the state's deviations are in; none: the standard basis. */
  readonly bases: readonly ParameterBasis[];
}

/** Weights to draw from a posterior, or its mean alone. */
export interface DrawRange {
  readonly first: number;
  readonly count: number;
  readonly mean: boolean;
}

/** Content ids of the programs for full batches and for the last one. */
interface StoredPair {
  readonly program: string;
  readonly tail: string;
}

/** What is stored for the posteriors of one kind: in the standard basis, or in Kronecker eigenbases. */
export interface PosteriorPrograms {
  readonly step: StoredPair;
  readonly projection: StoredPair;
  readonly draw: string;
}

/** Programs that evaluate weights on a data set: the mean on all of it, each draw on so many samples. */
export interface StoredEvaluation {
  readonly mean: StoredPair;
  readonly draws: StoredPair;
  readonly drawSamples: number;
}

/** What is stored for all posteriors of a run. */
export interface SharedArtifacts {
  readonly parameters: string;
  /** The trained parameters as the mean of a state that has nothing else. */
  readonly trainedState: string;
  readonly prior: string;
  readonly train: StoredEvaluation;
  readonly test: StoredEvaluation | undefined;
}

async function storePair(engine: Engine, pair: ProgramPair | undefined): Promise<StoredPair> {
  if (pair === undefined) return { program: '', tail: '' };
  const program = await storeProgram(engine, pair.full);
  return { program, tail: pair.tail === undefined ? '' : await storeProgram(engine, pair.tail) };
}

/** @param rotated whether noise is independent in the Kronecker eigenbases */
export async function storePrograms(
  engine: Engine,
  { model, loss, parameters, data }: PreparedBound,
  { batch, memoryBytes }: BoundOptions,
  rotated: boolean,
): Promise<PosteriorPrograms> {
  const layers = rotated ? basisLayers(parameters).map(({ name }) => name) : [];
  const names = parametersOf(parameters, new Set(layers));
  const run = { samples: data.samples, batch, memoryBytes };
  const plan = await planPosterior(model, loss, parameters, names, run);
  return {
    step: await storePair(engine, plan.step),
    projection: await storePair(engine, plan.projection),
    draw: plan.draw === undefined ? '' : await storeProgram(engine, plan.draw),
  };
}

export async function storeShared(
  engine: Engine,
  { model, loss, parameters, data, test, trained, prior }: PreparedBound,
  { memoryBytes, drawSamples: wanted }: BoundOptions,
): Promise<SharedArtifacts> {
  const on = async (samples: number) => {
    const run = { samples, batch: undefined, memoryBytes };
    return await storePair(engine, await planEvaluation(model, loss, parameters, run));
  };
  const evaluation = async ({ samples }: RunData): Promise<StoredEvaluation> => {
    const drawSamples = Math.min(wanted, samples);
    return { mean: await on(samples), draws: await on(drawSamples), drawSamples };
  };
  return {
    parameters: await engine.store.put(encodeBundle(trained)),
    trainedState: await engine.store.put(
      encodeBundle(trained.map((tensor) => ({ ...tensor, name: `mean/${tensor.name}` }))),
    ),
    prior: prior === undefined ? '' : await engine.store.put(encodeBundle(prior)),
    train: await evaluation(data),
    test: test && (await evaluation(test)),
  };
}

/** The task of some epochs. */
export function posteriorTask(
  { data }: PreparedBound,
  options: PosteriorOptions,
  { step, projection }: PosteriorPrograms,
  shared: SharedArtifacts,
  { first, last }: Segment,
  { state, bases }: PosteriorState,
): Task {
  const { delta, b, c, learningRate, alpha, epsilon, decay, decayEpochs } = options;
  const value = create(PosteriorTaskSchema, {
    program: step.program,
    tailProgram: step.tail,
    arrays: [...data.arrays],
    samples: BigInt(data.samples),
    seed: BigInt(options.seed),
    parameters: shared.parameters,
    priorMean: shared.prior,
    start: state,
    firstRho: options.firstRho,
    firstScale: options.firstScale,
    bases: [...bases],
    penalty: create(PriorPenaltySchema, { delta, precision: b, largestVariance: c }),
    optimiser: create(RmsPropSchema, { learningRate, alpha, epsilon, decay, decayEpochs }),
    firstEpoch: BigInt(first),
    lastEpoch: BigInt(last),
    capture: projection.program,
    tailCapture: projection.tail,
    memoryBytes: BigInt(options.memoryBytes),
    checkpointSeconds: options.checkpointSeconds,
  });
  return create(TaskSchema, { codeVersion: CODE_VERSION, kind: { case: 'posterior', value } });
}

/** The task that evaluates some draws from a posterior on training or test data. */
export function drawsTask(
  { arrays, samples }: RunData,
  { seed, memoryBytes }: BoundOptions,
  draw: string,
  evaluation: StoredEvaluation,
  { state, bases }: PosteriorState,
  { first, count, mean }: DrawRange,
): Task {
  const { program, tail } = mean ? evaluation.mean : evaluation.draws;
  const isAll = mean || evaluation.drawSamples === samples;
  const value = create(PosteriorDrawsTaskSchema, {
    drawProgram: draw,
    program,
    tailProgram: tail,
    arrays: [...arrays],
    samples: BigInt(samples),
    seed: BigInt(seed),
    state,
    bases: [...bases],
    firstDraw: BigInt(first),
    drawCount: BigInt(count),
    mean,
    drawSamples: isAll ? 0n : BigInt(evaluation.drawSamples),
    memoryBytes: BigInt(memoryBytes),
  });
  return create(TaskSchema, { codeVersion: CODE_VERSION, kind: { case: 'posteriorDraws', value } });
}
