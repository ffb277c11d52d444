// Finds the Kronecker eigenbasis of every layer at given weights: one pass over the data, then decompositions.
import {
  create,
  decodeBundle,
  KroneckerEigenSchema,
  type OutputHeuristic,
  type ParameterBasis,
  ParameterBasisSchema,
  type TaskResult,
} from '@kronlens/proto';
import { isEmbedding, type Layer } from '../../layers/index.js';
import {
  encodeLayerFactors,
  factorName,
  layerFactors,
  meanMatrix,
} from '../../merge/layer-factors.js';
import {
  type FactorOptions,
  type OpenedModel,
  type Parameter,
  planFactors,
} from '../../programs/index.js';
import { type EigenJob, runEigenStage } from '../eigen-stage.js';
import type { Engine } from '../engine.js';
import { runFactorStage } from '../factor-stage.js';
import { heuristics } from '../heuristic-inputs.js';
import { StageProgress } from '../stage-progress.js';
import type { PreparedBound } from './prepare-bound.js';

const SILENT = { begin() {}, update() {}, end() {}, note() {} };

/** Whose eigenvectors U are: E[M]'s, or those of its surrogate, which follows from the weights behind the layer. */
export type OutputOperator = 'exact' | 'surrogate';

/** What a basis is found of. */
type BasisRun = Pick<PreparedBound, 'loss' | 'data' | 'parameters'>;

export interface BasisOptions {
  readonly operator: OutputOperator;
  readonly memoryBytes: number;
  /** Is told of the factors, which are of no use once the bases are known; undefined: they stay. */
  readonly passing?: (ids: readonly string[]) => void;
}

/** What the factors behind a basis are of. */
function basisFactors({ loss }: BasisRun, operator: OutputOperator): FactorOptions {
  const factors = { columns: { kind: 'exact' }, sharing: 'expand', bias: 'separate' } as const;
  return { loss, ...factors, labels: false, lossHessian: operator === 'surrogate' };
}

/** The layers whose weights are parameters. */
export function basisLayers(parameters: readonly Parameter[]): readonly Layer[] {
  return parameters.flatMap(({ part, layer }) =>
    part === 'weight' && layer !== undefined ? [layer] : [],
  );
}

/**
 * Eigenvectors U of E[M] and V of E[x x^T] for every layer; an embedding's V is the identity. With the surrogate, layers that no chain of linear
 * layers and ReLUs leads from to the logits have those of E[M] all the same.
 * @param model at the weights that the basis belongs to
 * @param seen is told of every result, recorded ones included
 */
export async function findBases(
  engine: Engine,
  run: BasisRun,
  model: OpenedModel,
  { operator, memoryBytes, passing }: BasisOptions,
  seen: (result: TaskResult) => void,
): Promise<readonly ParameterBasis[]> {
  const { data, parameters } = run;
  const layers = basisLayers(parameters);
  const { samples, arrays } = data;
  const dataRun = { samples, batch: undefined, memoryBytes };
  const plan = await planFactors(model, layers, basisFactors(run, operator), dataRun);
  const progress = new StageProgress(SILENT, 'basis', 0, '');
  const stage = { plan, arrays, samples, seed: 0, shard: undefined };
  const jobs: EigenJob[] = [];
  const factorIds = new Set<string>();
  let lossHessian: Float64Array | undefined;
  for (const { layers: names, outputs, bundle } of await runFactorStage(
    engine,
    stage,
    progress,
    seen,
  )) {
    const sums = decodeBundle(await engine.store.get(bundle));
    factorIds.add(bundle);
    lossHessian ??= meanMatrix(sums, outputs, 'loss_hessian', samples);
    for (const layer of layers.filter(({ name }) => names.includes(name))) {
      const factors = layerFactors(layer, sums, outputs, samples, plan.folds.get(layer.name));
      const stored = await engine.store.put(encodeLayerFactors(factors, []));
      factorIds.add(stored);
      for (const [group, pair] of factors.groups.entries())
        for (const operator of ['input', 'output'] as const) {
          if (operator === 'input' && isEmbedding(layer)) continue;
          const tensor = factorName(operator, group);
          const size = pair[operator].shape[0] ?? 0;
          jobs.push({ layer: layer.name, group, operator, bundle: stored, tensor, size });
        }
    }
  }
  const surrogates =
    lossHessian === undefined
      ? new Map<string, OutputHeuristic>()
      : (await heuristics(engine, model, layers, run.loss, lossHessian)).inputs;
  const decomposed = jobs.map((job) => {
    const surrogate = job.operator === 'output' ? surrogates.get(job.layer) : undefined;
    return surrogate === undefined ? job : { ...job, bundle: '', tensor: '', surrogate };
  });
  const found = new Map<string, string>();
  await runEigenStage(
    engine,
    decomposed,
    progress,
    seen,
    async ({ layer, group, operator }, id) => {
      found.set(`${layer} ${factorName(operator, group)}`, id);
    },
  );
  passing?.([...factorIds]);
  const idOf = (layer: Layer, operator: string, group: number) =>
    found.get(`${layer.name} ${factorName(operator, group)}`) ?? '';
  return parameters.flatMap(({ name, part, layer }) => {
    if (layer === undefined || part === undefined) return [];
    const groups = Array.from({ length: layer.groups }, (_, group) =>
      create(KroneckerEigenSchema, {
        output: idOf(layer, 'output', group),
        input: part === 'weight' ? idOf(layer, 'input', group) : '',
      }),
    );
    return [create(ParameterBasisSchema, { parameter: name, groups })];
  });
}
