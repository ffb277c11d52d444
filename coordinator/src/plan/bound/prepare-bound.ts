// Everything that is checked and decided before a bound is optimised: models, data, parameters, prior.
import { BadInputError, type BundleTensor } from '@kronlens/proto';
import { compareStructure, type ShapedGraph, type Tensor } from '../../graph/index.js';
import { linearChain } from '../../layers/index.js';
import {
  defaultLoss,
  type OpenedModel,
  openModel,
  type Parameter,
  readParameters,
  type SurrogateLoss,
  surrogateLoss,
  trainableParameters,
} from '../../programs/index.js';
import { VERSION } from '../../version.js';
import type { Engine } from '../engine.js';
import { DataSource, type RunData } from '../run-data.js';
import { type Recorded, type RunIdentity, recordArrays, recordOptions } from '../run-record.js';
import { UsageError } from '../usage-error.js';
import { basisLayers } from './basis-stage.js';
import type { BoundOptions, BoundRequest } from './bound-options.js';

export type BoundIdentity = RunIdentity<Recorded<BoundOptions>>;

export interface PreparedBound {
  readonly model: OpenedModel;
  readonly loss: SurrogateLoss;
  /** The training set, with labels. */
  readonly data: RunData;
  readonly test: RunData | undefined;
  readonly parameters: readonly Parameter[];
  /** The trained values. */
  readonly trained: readonly BundleTensor[];
  /** theta_0; undefined: zero. */
  readonly prior: readonly BundleTensor[] | undefined;
  readonly identity: BoundIdentity;
  readonly warnings: readonly string[];
}

/** @throws BadInputError, UsageError: whatever is wrong with models, data or options */
export async function prepareBound(request: BoundRequest, engine: Engine): Promise<PreparedBound> {
  const { options, execution } = request;
  const source = new DataSource(engine.queue, execution);
  const open = (path: string) =>
    openModel(path, engine.evaluator, { sampleShapes: (inputs) => source.sampleShapes(inputs) });
  const model = await open(execution.model);
  const loss = surrogateLoss(defaultLoss(model.logits), model.logits.outputs);
  const data = await labelled(source, model, loss, execution.data, '--labels', options);
  if (data.samples < 2)
    throw new BadInputError(
      'too-few-samples',
      'a bound needs a training set of at least 2 samples',
    );
  const test = await openTest(request, engine, model, loss);
  const init = execution.init === undefined ? undefined : await open(execution.init);
  const graph = await model.at(probeBatch(model));
  const untrained = init === undefined ? undefined : await sameGraph(model, graph, init);
  const changed = untrained === undefined ? new Set<string>() : differences(graph, untrained);
  const { parameters, constants, statistics } = await trainableParameters(model, changed);
  if (parameters.length === 0)
    throw new BadInputError('no-parameters', `${model.path} has no parameters to bound`);
  return {
    model,
    loss,
    data,
    test,
    parameters,
    trained: readParameters(graph, parameters),
    prior: untrained && readParameters(untrained, parameters),
    identity: {
      version: VERSION,
      model: { path: model.path, sha256: model.sha256 },
      init: init === undefined ? null : { path: init.path, sha256: init.sha256 },
      data: [...recordArrays(data.arrays), ...recordArrays(test?.arrays ?? [], 'test ')],
      options: recordOptions(options),
    },
    warnings: [
      ...model.notes,
      ...data.notes,
      ...(init === undefined
        ? [
            'without --init the prior is centred at 0, not at the initialisation: expect a looser bound',
          ]
        : []),
      ...(options.variants.includes('iter-m') ? withoutSurrogate(model, graph, parameters) : []),
      ...(statistics.length === 0
        ? []
        : [
            `running statistics of batch normalisation (${statistics.join(', ')}) came from the training data, but the posterior does not cover them: the bound holds for a network in which they were fixed beforehand`,
          ]),
      ...constants
        .filter((name) => !statistics.includes(name))
        .map((name) => `'${name}' is taken as a constant of the architecture`),
      ...engine.warnings,
    ],
  };
}

/** What iter-m does not cover, in a sentence. */
function withoutSurrogate(
  model: OpenedModel,
  graph: ShapedGraph,
  parameters: readonly Parameter[],
): readonly string[] {
  const reasons = basisLayers(parameters).flatMap((layer) => {
    const chain = linearChain(graph, probeBatch(model), layer, model.logits.value);
    return typeof chain === 'string' ? [`${layer.name} (${chain})`] : [];
  });
  if (reasons.length === 0) return [];
  return [
    `iter-m takes E[M] itself where no chain of linear layers and ReLUs leads to the logits: ${reasons.join(', ')}`,
  ];
}

/** A batch size to look at the model with. */
function probeBatch(model: OpenedModel): number {
  return model.fixedBatch ?? 2;
}

async function labelled(
  source: DataSource,
  model: OpenedModel,
  loss: SurrogateLoss,
  file: string,
  flag: string,
  options: Pick<BoundOptions, 'scale' | 'samples'>,
): Promise<RunData> {
  const data = await source.match(model, loss, options);
  if (data.hasLabels) return data;
  throw new UsageError(`a bound needs labels: add them to ${file} as 'y', or give ${flag}`);
}

async function openTest(
  { execution, options }: BoundRequest,
  engine: Engine,
  model: OpenedModel,
  loss: SurrogateLoss,
): Promise<RunData | undefined> {
  const { testData, testLabels } = execution;
  if (testData === undefined) {
    if (testLabels !== undefined) throw new UsageError('--test-labels needs --test-data');
    return undefined;
  }
  const source = new DataSource(engine.queue, { data: testData, labels: testLabels });
  const wanted = { scale: options.scale, samples: undefined };
  return await labelled(source, model, loss, testData, '--test-labels', wanted);
}

/** The model's graph with the contents of the untrained one's initializers. @throws BadInputError */
async function sameGraph(
  model: OpenedModel,
  graph: ShapedGraph,
  init: OpenedModel,
): Promise<ShapedGraph> {
  const other = await init.at(probeBatch(model));
  const compared = compareStructure(graph, other, [model.path, init.path]);
  if (!compared.same)
    throw new BadInputError(
      'other-architecture',
      `--init ${init.path} is another architecture: ${compared.difference}`,
    );
  const contents = ([name, own]: [string, Tensor]): [string, Tensor] => {
    const tensor = other.initializers.get(compared.initializers.get(name) ?? '');
    return [name, tensor ?? own];
  };
  return { ...graph, initializers: new Map([...graph.initializers].map(contents)) };
}

/** Float initializers that training has changed, by their names in the file. */
function differences(trained: ShapedGraph, untrained: ShapedGraph): ReadonlySet<string> {
  const changed = [...trained.initializers].filter(([name, { dtype, bytes }]) => {
    const before = untrained.initializers.get(name);
    return dtype === 'float32' && before && Buffer.compare(before.bytes, bytes) !== 0;
  });
  return new Set(changed.map(([name]) => trained.origins?.get(name) ?? name));
}
