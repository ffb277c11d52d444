// Everything that is checked and decided before a run writes anything: model, data, layers, options.
import type { Layer } from '../layers/index.js';
import {
  affineParameters,
  checkLoss,
  defaultLoss,
  type FactorOptions,
  modelParameters,
  type OpenedModel,
  openModel,
} from '../programs/index.js';
import { VERSION } from '../version.js';
import { affineBlocks, chooseBlocks, type NamedBlock } from './choose-blocks.js';
import { chooseLayers } from './choose-layers.js';
import { checkClassMeans } from './class-means-stage.js';
import type { Engine } from './engine.js';
import { factorOptions } from './factor-options.js';
import { checkFullHessian } from './full-hessian-stage.js';
import type { AnalysisOptions, ExecutionOptions } from './options.js';
import { DataSource, type RunData } from './run-data.js';
import { type RunIdentity, recordArrays, recordOptions } from './run-record.js';
import { checkEmbeddings, splitLayers } from './split-layers.js';
import { UsageError } from './usage-error.js';

export interface AnalysisRequest {
  readonly options: AnalysisOptions;
  readonly execution: ExecutionOptions;
}

export interface PreparedRun {
  readonly model: OpenedModel;
  readonly data: RunData;
  readonly layers: readonly Layer[];
  /** Blocks of parameters that are measured beside the layers. */
  readonly blocks: readonly NamedBlock[];
  readonly skipped: readonly {
    readonly name: string;
    readonly op: string;
    readonly reason: string;
  }[];
  readonly factorOptions: FactorOptions;
  readonly identity: RunIdentity;
  readonly warnings: readonly string[];
}

function identityOf(
  { options }: AnalysisRequest,
  model: OpenedModel,
  { arrays }: RunData,
): RunIdentity {
  return {
    version: VERSION,
    model: { path: model.path, sha256: model.sha256 },
    data: recordArrays(arrays),
    options: recordOptions(options),
  };
}

/** @throws UsageError where the Hessian of a layer depends on labels, which are not there */
function requireLabelsFor(
  layers: readonly Layer[],
  [block]: readonly NamedBlock[],
  cross: boolean,
): void {
  if (block !== undefined || cross)
    throw new UsageError(
      `--curvature hessian needs labels: the Hessian ${block === undefined ? 'between layers' : `of block '${block.name}'`} depends on them; add them to the data as 'y' or give --labels`,
    );
  const curved = layers.find((layer) => !layer.piecewiseLinear);
  if (curved === undefined) return;
  throw new UsageError(
    `--curvature hessian needs labels: the Hessian of layer '${curved.name}' depends on them, since what follows it is not piecewise linear; add them to the data as 'y' or give --labels`,
  );
}

async function blocksOf(
  model: OpenedModel,
  options: AnalysisOptions,
): Promise<readonly NamedBlock[]> {
  const { blocks, includeAffine } = options;
  if (blocks.length === 0 && !includeAffine) return [];
  const { layers, skipped } = model.layers;
  const graph = await model.at(model.fixedBatch ?? 2);
  const parameters = modelParameters(graph, layers, model.logits.value);
  const affine = includeAffine
    ? affineBlocks(affineParameters(graph, layers, model.logits.value), options)
    : [];
  const taken = [...layers, ...skipped, ...affine].map(({ name }) => name);
  return [...affine, ...chooseBlocks(blocks, parameters, taken)];
}

/** @throws BadInputError, UsageError: whatever is wrong with model, data, layers or options */
export async function prepareRun(request: AnalysisRequest, engine: Engine): Promise<PreparedRun> {
  const { options, execution } = request;
  const source = new DataSource(engine.queue, execution);
  const opened = await openModel(execution.model, engine.evaluator, {
    file: execution.modelFile,
    sampleShapes: (inputs) => source.sampleShapes(inputs),
  });
  const model = await splitLayers(opened, options);
  const loss = options.loss ?? defaultLoss(model.logits);
  checkLoss(loss, model.logits);
  const chosen = chooseLayers(execution.model, model.layers, model.opset, options);
  const data = await source.match(model, loss, options);
  const blocks = await blocksOf(model, options);
  if (options.curvature === 'hessian' && !data.hasLabels)
    requireLabelsFor(chosen.layers, blocks, options.cross);
  checkEmbeddings(chosen.layers, options);
  if (options.fullHessian) checkFullHessian(chosen.layers, options);
  const factors = factorOptions(options, loss, model.logits, data.hasLabels);
  if (options.classMeans) checkClassMeans(factors, model.logits);
  return {
    model,
    data,
    layers: chosen.layers,
    blocks,
    skipped: chosen.skipped.map(({ name, op, reason }) => ({ name, op, reason })),
    factorOptions: factors,
    identity: identityOf(request, model, data),
    warnings: [...model.notes, ...data.notes, ...chosen.warnings, ...engine.warnings],
  };
}
