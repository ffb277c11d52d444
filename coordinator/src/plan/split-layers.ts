// Applies --split to an opened model, and says which options are about whole layers only.
import { isEmbedding, type Layer, splitProjections } from '../layers/index.js';
import type { OpenedModel } from '../programs/index.js';
import type { AnalysisOptions } from './options.js';
import { UsageError } from './usage-error.js';

/** @throws UsageError for options that take a layer's whole weight as one parameter */
export async function splitLayers(
  model: OpenedModel,
  { split, curvature, cross, fullHessian, blocks }: AnalysisOptions,
): Promise<OpenedModel> {
  if (split === undefined) return model;
  const whole = [
    curvature === 'hessian' ? '--curvature hessian' : undefined,
    cross ? '--cross' : undefined,
    fullHessian ? '--full-hessian' : undefined,
    blocks.length > 0 ? '--block' : undefined,
  ].find((option) => option !== undefined);
  if (whole !== undefined)
    throw new UsageError(`--split cannot be combined with ${whole}, which is about whole weights`);
  const graph = await model.at(model.fixedBatch ?? 2);
  const layers = splitProjections(graph, model.layers.layers, split);
  return { ...model, layers: { ...model.layers, layers } };
}

/** @throws UsageError for embeddings beside options that need their exact blocks */
export function checkEmbeddings(
  layers: readonly Layer[],
  { cross, fullHessian, classMeans }: AnalysisOptions,
): void {
  const embedding = layers.find(isEmbedding);
  const option = cross
    ? '--cross'
    : fullHessian
      ? '--full-hessian'
      : classMeans
        ? '--class-means'
        : undefined;
  if (embedding === undefined || option === undefined) return;
  throw new UsageError(`${option} does not take embeddings; add --exclude '${embedding.name}'`);
}
