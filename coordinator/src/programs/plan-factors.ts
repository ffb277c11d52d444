// Plans the factor programs of a run: the batch, the groups of layers, full and last batches.
import { BadInputError } from '@kronlens/proto';
import type { Layer } from '../layers/index.js';
import type { ProgramPair } from './built-program.js';
import { chooseBatch, type DataRun } from './choose-batch.js';
import { columnCount, type FactorOptions } from './factor-options.js';
import { buildFactorProgram } from './factors.js';
import { buildMeanGram, type MeanGram } from './mean-gram.js';
import { bytesPerSample, groupLayers, passBytes } from './memory.js';
import type { OpenedModel } from './open-model.js';
import { layerFold, type SpatialFold } from './spatial-gram.js';

export interface FactorPlan {
  readonly batch: number;
  /** One pair per group of layers. */
  readonly programs: readonly ProgramPair[];
  /** Layers whose programs sum `spatial_input` instead of `input`: see foldSpatialGram. */
  readonly folds: ReadonlyMap<string, SpatialFold>;
}

/**
 * Loss and accuracy come with the first program only.
 * @throws BadInputError when the batch contradicts the model's, or labels are needed and not there
 */
export async function planFactors(
  model: OpenedModel,
  layers: readonly Layer[],
  options: FactorOptions,
  run: DataRun,
): Promise<FactorPlan> {
  const columns = columnCount(options, model.logits.outputs);
  if (options.columns.kind === 'empirical' && !options.labels)
    throw new BadInputError(
      'labels-missing',
      '--curvature fisher-empirical needs labels; give them with --labels, or as `y` in the data',
    );
  const batch = await chooseBatch(model, run, async (probe) =>
    bytesPerSample(await model.at(probe), probe, layers, columns, options),
  );
  const padded = model.fixedBatch !== undefined;
  const tail = padded ? 0 : run.samples % batch;
  const programs: ProgramPair[] = [];
  const graph = await model.at(batch);
  for (const [index, group] of groupLayers(layers, run.memoryBytes, options).entries()) {
    const build = async (size: number, name: string) =>
      buildFactorProgram({
        graph: await model.at(size),
        batch: size,
        places: model.places,
        logits: model.logits.value,
        layers: group,
        options,
        sums: options.labels && index === 0,
        lossHessian: options.lossHessian === true && index === 0,
        padded,
        name,
      });
    programs.push({
      layers: group.map((layer) => layer.name),
      full: await build(batch, `factors ${index + 1}`),
      tail: tail === 0 ? undefined : await build(tail, `factors ${index + 1}, last batch`),
      peakBytes: passBytes(graph, batch, group, columns, options),
    });
  }
  const nodes = new Map(graph.nodes.map((node) => [node.name, node]));
  const folds = new Map<string, SpatialFold>();
  for (const layer of layers) {
    const fold = layerFold(graph, nodes, layer, options);
    if (fold !== undefined) folds.set(layer.name, fold);
  }
  return { batch, programs, folds };
}

/** The model that turns a layer's mean maps into E[X] E[X]^T; undefined where E[x] is a vector. */
export async function planMeanGram(
  model: OpenedModel,
  layer: Layer,
  options: FactorOptions,
): Promise<MeanGram | undefined> {
  return buildMeanGram(await model.at(model.fixedBatch ?? 2), layer, options);
}
