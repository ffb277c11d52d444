// Plans a pass over the data for one layer, by a program that forms the Jacobian of its logits.
import type { Layer } from '../layers/index.js';
import type { BuiltProgram, ProgramPair } from './built-program.js';
import { chooseBatch, type DataRun } from './choose-batch.js';
import { buildClassMeans } from './class-means.js';
import { buildEkfacProgram, type KroneckerBasis } from './ekfac.js';
import { blockDim, columnCount, type FactorOptions } from './factor-options.js';
import { buildKfocProgram, type KfocSide } from './kfoc.js';
import type { LayerProgramRequest } from './layer-program.js';
import { bytesPerSample } from './memory.js';
import type { OpenedModel } from './open-model.js';
import { buildStackedOutput } from './stacked-output.js';

export interface LayerPass {
  readonly batch: number;
  /** A program of its own for each layer: the matrices that it multiplies by are part of it. */
  readonly program: ProgramPair;
}

/**
 * The pass that sums a layer's class and cross-class means.
 * @param weights whether of the Jacobians by the weights, too
 */
export function planClassMeans(
  model: OpenedModel,
  layer: Layer,
  classes: number,
  weights: boolean,
  options: FactorOptions,
  run: DataRun,
): Promise<LayerPass> {
  const classwise = { ...options, columns: { kind: 'classwise' as const } };
  const build = (request: LayerProgramRequest) =>
    buildClassMeans({ ...request, classes, weights, name: `class means ${layer.name}` });
  return planLayerPass(model, layer, classwise, run, build, weights);
}

/**
 * The pass that sums the stacked output Hessian of all these layers.
 * @throws BadInputError when the batch contradicts the model's
 */
export async function planStackedOutput(
  model: OpenedModel,
  layers: readonly Layer[],
  options: FactorOptions,
  run: DataRun,
): Promise<LayerPass> {
  const plain = { ...options, exact: undefined };
  const columns = columnCount(options, model.logits.outputs);
  const stacked = 4 * columns * stackedDim(layers);
  const batch = await chooseBatch(
    model,
    run,
    async (probe) =>
      bytesPerSample(await model.at(probe), probe, layers, columns, plain) + 2 * stacked,
  );
  const padded = model.fixedBatch !== undefined;
  const at = async (size: number) =>
    buildStackedOutput({
      graph: await model.at(size),
      batch: size,
      places: model.places,
      logits: model.logits.value,
      options: plain,
      layers,
      padded,
    });
  const rest = padded ? 0 : run.samples % batch;
  const full = await at(batch);
  const tail = rest === 0 ? undefined : await at(rest);
  return { batch, program: { layers: layers.map(({ name }) => name), full, tail } };
}

/** Outputs of all layers together: rows of the stacked output Hessian. */
export function stackedDim(layers: readonly Layer[]): number {
  return layers.reduce((sum, { groups, outDim }) => sum + groups * outDim, 0);
}

/** @param jacobian whether the program forms the Jacobian of the logits by all weights */
async function planLayerPass(
  model: OpenedModel,
  layer: Layer,
  options: FactorOptions,
  run: DataRun,
  build: (request: LayerProgramRequest) => BuiltProgram,
  jacobian = true,
): Promise<LayerPass> {
  const columns = columnCount(options, model.logits.outputs);
  // As much as forming the whole block's Jacobian takes.
  const exact = jacobian ? { denseLimit: blockDim(layer, options) } : undefined;
  const perSample = async (probe: number) =>
    bytesPerSample(await model.at(probe), probe, [layer], columns, { ...options, exact });
  const batch = await chooseBatch(model, run, perSample);
  const padded = model.fixedBatch !== undefined;
  const at = async (size: number) =>
    build({
      graph: await model.at(size),
      batch: size,
      places: model.places,
      logits: model.logits.value,
      options: { ...options, exact: undefined },
      layer,
      padded,
    });
  const rest = padded ? 0 : run.samples % batch;
  const full = await at(batch);
  const tail = rest === 0 ? undefined : await at(rest);
  const peakBytes = Math.ceil(batch * (await perSample(batch)));
  return { batch, program: { layers: [layer.name], full, tail, peakBytes } };
}

/**
 * The pass that finds the diagonal of the exact block in the Kronecker eigenbasis.
 * @param basis eigenvectors of the factors, one pair a group
 */
export function planEkfac(
  model: OpenedModel,
  layer: Layer,
  basis: readonly KroneckerBasis[],
  options: FactorOptions,
  run: DataRun,
): Promise<LayerPass> {
  return planLayerPass(model, layer, options, run, (request) =>
    buildEkfacProgram({ ...request, basis, name: `ekfac ${layer.name}` }),
  );
}

/**
 * The pass of one half step towards the Frobenius-optimal Kronecker pair.
 * @param others the other side's factor of every group
 */
export function planKfocStep(
  model: OpenedModel,
  layer: Layer,
  side: KfocSide,
  others: readonly Float64Array[],
  options: FactorOptions,
  run: DataRun,
): Promise<LayerPass> {
  return planLayerPass(model, layer, options, run, (request) =>
    buildKfocProgram({ ...request, side, others, name: `kfoc ${side} ${layer.name}` }),
  );
}
