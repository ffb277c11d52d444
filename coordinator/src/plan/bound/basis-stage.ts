// Finds the Kronecker eigenbasis of every layer at given weights: one pass over the data, then decompositions.
import {
  create,
  decodeBundle,
  KroneckerEigenSchema,
  type ParameterBasis,
  ParameterBasisSchema,
  type TaskResult,
} from '@kronlens/proto';
import type { Layer } from '../../layers/index.js';
import { encodeLayerFactors, factorName, layerFactors } from '../../merge/layer-factors.js';
import {
  type FactorOptions,
  type OpenedModel,
  type Parameter,
  planFactors,
} from '../../programs/index.js';
import { type EigenJob, runEigenStage } from '../eigen-stage.js';
import type { Engine } from '../engine.js';
import { runFactorStage } from '../factor-stage.js';
import { StageProgress } from '../stage-progress.js';
import type { PreparedBound } from './prepare-bound.js';

const SILENT = { begin() {}, update() {}, end() {}, note() {} };

/** What the factors behind a basis are of. */
function basisFactors({ loss }: PreparedBound): FactorOptions {
  return { loss, columns: { kind: 'exact' }, sharing: 'expand', bias: 'separate', labels: false };
}

/** The layers whose weights are parameters. */
export function basisLayers(parameters: readonly Parameter[]): readonly Layer[] {
  return parameters.flatMap(({ part, layer }) =>
    part === 'weight' && layer !== undefined ? [layer] : [],
  );
}

/**
 * Eigenvectors U of E[M] and V of E[x x^T] for every layer.
 * @param model at the weights that the basis belongs to
 * @param seen is told of every result, recorded ones included
 */
export async function findBases(
  engine: Engine,
  run: PreparedBound,
  model: OpenedModel,
  memoryBytes: number,
  seen: (result: TaskResult) => void,
): Promise<readonly ParameterBasis[]> {
  const { data, parameters } = run;
  const layers = basisLayers(parameters);
  const { samples, arrays } = data;
  const dataRun = { samples, batch: undefined, memoryBytes };
  const plan = await planFactors(model, layers, basisFactors(run), dataRun);
  const progress = new StageProgress(SILENT, 'basis', 0, '');
  const stage = { plan, arrays, samples, seed: 0, shard: undefined };
  const jobs: EigenJob[] = [];
  for (const { layers: names, outputs, bundle } of await runFactorStage(
    engine,
    stage,
    progress,
    seen,
  )) {
    const sums = decodeBundle(await engine.store.get(bundle));
    for (const layer of layers.filter(({ name }) => names.includes(name))) {
      const factors = layerFactors(layer, sums, outputs, samples, plan.folds.get(layer.name));
      const stored = await engine.store.put(encodeLayerFactors(factors, []));
      for (const [group, pair] of factors.groups.entries())
        for (const operator of ['input', 'output'] as const) {
          const tensor = factorName(operator, group);
          const size = pair[operator].shape[0] ?? 0;
          jobs.push({ layer: layer.name, group, operator, bundle: stored, tensor, size });
        }
    }
  }
  const found = new Map<string, string>();
  await runEigenStage(engine, jobs, progress, seen, async ({ layer, group, operator }, _, id) => {
    found.set(`${layer} ${factorName(operator, group)}`, id);
  });
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
