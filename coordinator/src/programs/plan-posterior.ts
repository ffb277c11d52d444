// Plans the programs by which a Gaussian posterior over a model's parameters is optimised and evaluated.
import { BadInputError } from '@kronlens/proto';
import { elementCount, type ShapedGraph } from '../graph/index.js';
import type { BuiltProgram, ProgramPair } from './built-program.js';
import { chooseBatch, type DataRun } from './choose-batch.js';
import type { OpenedModel } from './open-model.js';
import {
  buildDraw,
  buildEvaluation,
  buildPosteriorProgram,
  buildProjection,
  type SurrogateLoss,
} from './posterior.js';
import { type FoundParameters, findParameters, type Parameter } from './trainable-parameters.js';

/** Samples of one optimisation step unless the user says otherwise. */
const STEP_SAMPLES = 100;
/** Most samples of one execution of an evaluation. */
const MOST_EVALUATED = 1024;
const FLOAT_BYTES = 4;

export interface PosteriorPlan {
  /** Samples of one step. */
  readonly batch: number;
  /** What PosteriorTask calls program and tail_program. */
  readonly step: ProgramPair;
  /** What it calls capture and tail_capture; undefined: none. */
  readonly projection: ProgramPair | undefined;
  /** What PosteriorDrawsTask calls draw_program; undefined: no parameter is rotated. */
  readonly draw: BuiltProgram | undefined;
}

/** The model's parameters. @param also further initializers that training has changed */
export async function trainableParameters(
  model: OpenedModel,
  also: ReadonlySet<string> = new Set(),
): Promise<FoundParameters> {
  const graph = await model.at(model.fixedBatch ?? 2);
  return findParameters(graph, model.layers.layers, model.logits.value, also);
}

/** Names of the parameters of these layers, which get their noise in the layer's basis. */
export function parametersOf(
  parameters: readonly Parameter[],
  layers: ReadonlySet<string>,
): ReadonlySet<string> {
  const rotated = parameters.filter(({ layer }) => layer !== undefined && layers.has(layer.name));
  return new Set(rotated.map(({ name }) => name));
}

/**
 * @param rotated names of parameters whose noise is given in a basis
 * @throws BadInputError when the batch contradicts the model's; UnsupportedOpError
 */
export async function planPosterior(
  model: OpenedModel,
  loss: SurrogateLoss,
  parameters: readonly Parameter[],
  rotated: ReadonlySet<string>,
  run: DataRun,
): Promise<PosteriorPlan> {
  const batch = await chooseBatch(
    model,
    run,
    async (probe) => bytesPerSample(await model.at(probe), probe),
    STEP_SAMPLES,
  );
  const request = { ...(await requestOf(model, loss, parameters)), rotated, stepBatch: batch };
  const graph = await model.at(batch);
  const projected = buildProjection({ ...request, graph, batch, name: 'projection' }) !== undefined;
  const pair = (build: (size: number, graph: ShapedGraph) => BuiltProgram) =>
    programPair(model, run.samples, batch, build);
  const step = await pair((size, at) =>
    buildPosteriorProgram({
      ...request,
      graph: at,
      batch: size,
      captured: projected,
      name: 'posterior',
    }),
  );
  const projection = projected
    ? await pair((size, at) => {
        const built = buildProjection({ ...request, graph: at, batch: size, name: 'projection' });
        if (built === undefined) throw new Error('a projection depends on the batch size');
        return built;
      })
    : undefined;
  const draw = buildDraw({ ...request, graph, batch, name: 'draw' });
  return { batch, step, projection, draw };
}

/** The programs that evaluate parameters on data: sums of the surrogate loss and of 0-1 errors. */
export async function planEvaluation(
  model: OpenedModel,
  loss: SurrogateLoss,
  parameters: readonly Parameter[],
  run: DataRun,
): Promise<ProgramPair> {
  const batch = await chooseBatch(
    model,
    run,
    async (probe) => bytesPerSample(await model.at(probe), probe),
    MOST_EVALUATED,
  );
  const request = await requestOf(model, loss, parameters);
  return await programPair(model, run.samples, batch, (size, graph) =>
    buildEvaluation({ ...request, graph, batch: size, name: 'evaluation' }),
  );
}

async function requestOf(
  model: OpenedModel,
  loss: SurrogateLoss,
  parameters: readonly Parameter[],
) {
  if (model.logits.tokens !== undefined)
    throw new BadInputError(
      'bad-output-shape',
      `a bound is about one label a sample, but the model's output '${model.logits.value}' has logits for every token`,
    );
  const padded = model.fixedBatch !== undefined;
  return { logits: model.logits.value, loss, parameters, padded };
}

async function programPair(
  model: OpenedModel,
  samples: number,
  batch: number,
  build: (size: number, graph: ShapedGraph) => BuiltProgram,
): Promise<ProgramPair> {
  const rest = model.fixedBatch === undefined ? samples % batch : 0;
  return {
    layers: [],
    full: build(batch, await model.at(batch)),
    tail: rest === 0 ? undefined : build(rest, await model.at(rest)),
  };
}

/** Bytes of all activations, and as much for their cotangents. */
function bytesPerSample(graph: ShapedGraph, batch: number): number {
  let values = 0;
  for (const [value, { shape }] of graph.types)
    if (!graph.initializers.has(value)) values += elementCount(shape) / batch;
  return 2 * FLOAT_BYTES * values;
}
