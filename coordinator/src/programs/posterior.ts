// The posterior program: surrogate loss, 0-1 errors and gradients of a model with noise on its parameters.
import { BadInputError } from '@kronlens/proto';
import { GraphBuilder, int, pullBack, type ShapedGraph, typeOf } from '../graph/index.js';
import type { BuiltProgram } from './built-program.js';
import { emitColumns, emitCorrect, emitLoss, type LossInputs, type LossName } from './loss.js';
import { noiseInput, type PerturbedGraph, parameterInput, perturb } from './perturbed-graph.js';
import { finishProgram, ProgramInputs, ProgramOutputs } from './program-io.js';
import type { Parameter } from './trainable-parameters.js';

/** The losses that a bound can be minimised by: nats for several classes, bits for one logit. */
export type SurrogateLoss = Extract<LossName, 'cross-entropy' | 'bce'>;

export interface PosteriorProgramRequest {
  /** The model at this program's batch size. */
  readonly graph: ShapedGraph;
  readonly batch: number;
  readonly logits: string;
  readonly loss: SurrogateLoss;
  readonly parameters: readonly Parameter[];
  /** Names of the parameters whose noise is given in the basis of their layer. */
  readonly rotated: ReadonlySet<string>;
  /** Samples of a full batch: where noise is cheapest is decided for it. */
  readonly stepBatch: number;
  /** The batch may be padded: samples get a weight of 0 or 1. */
  readonly padded: boolean;
  /** What depends on data and bases alone is an input, from `buildProjection`. */
  readonly captured: boolean;
  readonly name: string;
}

/** @throws BadInputError for a loss without a 0-1 error that the bound is about */
export function surrogateLoss(loss: LossName, outputs: number): SurrogateLoss {
  if (loss === 'cross-entropy' || (loss === 'bce' && outputs === 1)) return loss;
  throw new BadInputError(
    'bad-loss',
    `a bound is about classification by cross-entropy, or by one logit; --loss ${loss} on ${outputs} outputs is neither`,
  );
}

/**
 * From data, parameters, noise and bases to sums over the batch: `loss` (the surrogate), `errors` (0-1),
 * and `gradient` of the loss with respect to every parameter, in its own shape; for rotated ones also
 * `noise_gradient` with respect to the noise, which is the gradient in the basis.
 * @throws UnsupportedOpError
 */
export function buildPosteriorProgram(request: PosteriorProgramRequest): BuiltProgram {
  const { batch, parameters, rotated, captured } = request;
  const place = captured ? 'captured' : 'cheapest';
  const perturbed = perturb(request, rotated, place);
  const begun = begin(request, perturbed);
  const { b, inputs, outputs } = begun;
  for (const { name, shape } of perturbed.projections) inputs.captured(name, shape);
  const evaluated = emitEvaluation(request, begun);
  const targets = parameters.flatMap(({ name }) =>
    rotated.has(name) ? [parameterInput(name), noiseInput(name)] : [parameterInput(name)],
  );
  const shape = typeOf(perturbed.graph, request.logits).shape;
  const gradients = pullBack({
    graph: perturbed.graph,
    builder: b,
    seeds: new Map([[request.logits, b.reshape(evaluated.seed, [1, ...shape])]]),
    columns: 1,
    targets,
  });
  parameters.forEach(({ name, shape: own, layer }, index) => {
    const add = (kind: string, target: string) => {
      const gradient = gradients.get(target);
      if (gradient === undefined) throw new Error(`the loss does not depend on '${name}'`);
      const facts = { kind, layer: layer?.name ?? '', group: 0, symmetric: false, scale: 1 };
      const value = b.reshape(gradient, own);
      outputs.add(`${kind}${index}`, value, { ...facts, shape: own, parameter: name });
    };
    add('gradient', parameterInput(name));
    if (rotated.has(name)) add('noise_gradient', noiseInput(name));
  });
  return finishProgram(b, request.name, batch, inputs, outputs);
}

/** From data and parameters to the sums `loss` and `errors` over the batch. */
export function buildEvaluation(
  request: Omit<PosteriorProgramRequest, 'rotated' | 'captured' | 'stepBatch'>,
): BuiltProgram {
  const { batch } = request;
  const begun = begin(request, perturb({ ...request, stepBatch: batch }, new Set(), 'weights'));
  emitEvaluation(request, begun);
  return finishProgram(begun.b, request.name, batch, begun.inputs, begun.outputs);
}

/**
 * From data and bases to the rows that the posterior program takes as captured.
 * @returns undefined where there are none
 */
export function buildProjection(
  request: Omit<PosteriorProgramRequest, 'captured' | 'loss'>,
): BuiltProgram | undefined {
  const { batch, rotated } = request;
  const perturbed = perturb(request, rotated, 'captured');
  if (perturbed.projections.length === 0) return undefined;
  const { b, inputs, outputs } = begin(request, perturbed);
  for (const { name, value, shape } of perturbed.projections)
    outputs.addPerSample(name.slice('kl/'.length), value, {
      kind: name,
      layer: '',
      group: 0,
      shape,
    });
  return finishProgram(b, request.name, batch, inputs, outputs);
}

/**
 * From parameters, noise and bases to `parameter`: the rotated parameters with their noise.
 * @returns undefined where none is rotated
 */
export function buildDraw(
  request: Pick<PosteriorProgramRequest, 'graph' | 'batch' | 'parameters' | 'rotated' | 'name'>,
): BuiltProgram | undefined {
  const { batch, parameters, rotated } = request;
  if (rotated.size === 0) return undefined;
  const perturbed = perturb({ ...request, stepBatch: batch }, rotated, 'weights');
  const { b, inputs, outputs } = begin({ ...request, padded: false }, perturbed);
  parameters.forEach(({ name, shape, layer }, index) => {
    const value = perturbed.drawn.get(name);
    if (value === undefined) return;
    const facts = { kind: 'parameter', layer: layer?.name ?? '', group: 0 };
    const whole = { ...facts, symmetric: false, scale: 1, shape, parameter: name };
    outputs.add(`parameter${index}`, value, whole);
  });
  return finishProgram(b, request.name, batch, inputs, outputs);
}

interface Begun {
  readonly b: GraphBuilder;
  readonly inputs: ProgramInputs;
  readonly outputs: ProgramOutputs;
  readonly weight: string | undefined;
}

function begin(
  request: Pick<PosteriorProgramRequest, 'graph' | 'batch'> & { readonly padded: boolean },
  perturbed: PerturbedGraph,
): Begun {
  const b = new GraphBuilder(perturbed.graph);
  const inputs = new ProgramInputs(request.graph, request.batch);
  for (const { name, role, shape, parameter } of perturbed.inputs)
    inputs.ofParameter(name, role, shape, parameter);
  const weight = request.padded ? inputs.sampleWeight() : undefined;
  return { b, inputs, outputs: new ProgramOutputs(b), weight };
}

/** Adds `loss` and `errors`. @returns the gradient of the loss in the logits, [1, B, c] */
function emitEvaluation(
  request: Pick<PosteriorProgramRequest, 'graph' | 'batch' | 'logits' | 'loss'>,
  { b, inputs, outputs, weight }: Begun,
): { readonly seed: string } {
  const { graph, batch, logits, loss } = request;
  const count = typeOf(graph, logits).shape.reduce((size, n) => size * n, 1) / batch;
  const lossInputs: LossInputs = {
    logits: b.reshape(logits, [batch, count]),
    batch,
    outputs: count,
    labels: inputs.labels({ loss, columns: { kind: 'empirical' } }, count),
    random: undefined,
  };
  // One logit: log2(1 + exp(-y f)).
  const unit = loss === 'bce' ? b.scalar(1 / Math.LN2, 'float32') : undefined;
  const inUnit = (value: string) => (unit === undefined ? value : b.emit('Mul', [value, unit]));
  const weighted = (value: string, shape: readonly number[]) =>
    weight === undefined ? value : b.emit('Mul', [value, b.reshape(weight, shape)]);
  const facts = { layer: '', group: 0, shape: [1], symmetric: false, scale: 1 };
  const total = (kind: string, value: string) => {
    const sum = b.emit('ReduceSum', [weighted(value, [batch]), b.ints([0])], { keepdims: int(1) });
    outputs.add(kind, sum, { ...facts, kind });
  };
  total('loss', inUnit(emitLoss(b, loss, lossInputs)));
  const correct = emitCorrect(b, loss, lossInputs);
  if (correct === undefined) throw new Error(`${loss} has no 0-1 error`);
  total('errors', b.emit('Sub', [b.scalar(1, 'float32'), correct]));
  const columns = emitColumns(b, loss, { kind: 'empirical' }, lossInputs);
  return { seed: weighted(inUnit(columns), [batch, 1]) };
}
