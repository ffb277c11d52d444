// Takes a layer's factors out of the merged sums: scaled, one set of matrices a group.
import {
  type BundleTensor,
  encodeBundle,
  KronlensError,
  type ProgramOutput,
} from '@kronlens/proto';
import { isEmbedding, type Layer } from '../layers/index.js';
import { foldSpatialGram, type SpatialFold } from '../programs/index.js';
import { minusKronecker } from './kronecker-difference.js';

/** The factors of one block; symmetric ones are packed upper triangles, row by row. */
export interface GroupFactors {
  /** E[x x^T], n x n; of an embedding its diagonal [n]. */
  readonly input: BundleTensor;
  /** E[M], m x m. */
  readonly output: BundleTensor;
  /** E[x], n. */
  readonly mean: BundleTensor;
}

export interface LayerFactors {
  readonly layer: string;
  readonly groups: readonly GroupFactors[];
  /** Mean input maps, one a use of the layer; none where the mean input is a plain vector. */
  readonly meanMaps: readonly BundleTensor[];
  /** Of the exact block H, where it was asked for. */
  readonly exact: ExactBlock | undefined;
}

/** The exact Gauss-Newton block of a layer, over its whole weight [G * m * n]. */
export interface ExactBlock {
  readonly trace: number;
  /** H itself, packed, where it is small enough. */
  readonly dense: BundleTensor | undefined;
  /** H minus the Kronecker product of the factors, packed, where there is H. */
  readonly difference: BundleTensor | undefined;
}

/** quantity = scale * sum / samples. */
function scaled(sum: BundleTensor, { scale }: ProgramOutput, samples: number): BundleTensor {
  const factor = (scale === 0 ? 1 : scale) / samples;
  return { ...sum, values: sum.values.map((value) => value * factor) };
}

/** E[X X^T] from the Gram matrix of whole maps. */
function folded(gram: BundleTensor, fold: SpatialFold): BundleTensor {
  const { features } = fold;
  return { ...gram, shape: [features, features], values: foldSpatialGram(gram.values, fold) };
}

function missing(what: string): KronlensError {
  return new KronlensError(
    'bad-task-result',
    `the sums lack ${what}; coordinator and worker do not fit together`,
  );
}

/** The sum over the data of a number for the whole model, for example 'loss'; undefined: not asked for. */
export function totalOf(
  sums: ReadonlyMap<string, BundleTensor>,
  outputs: readonly ProgramOutput[],
  kind: string,
): number | undefined {
  const output = outputs.find((candidate) => candidate.layer === '' && candidate.kind === kind);
  return output && sums.get(output.name)?.values[0];
}

/** The mean over samples of the program's symmetric matrix of that kind, packed. */
export function meanMatrix(
  sums: ReadonlyMap<string, BundleTensor>,
  outputs: readonly ProgramOutput[],
  kind: string,
  samples: number,
): Float64Array | undefined {
  const output = outputs.find((candidate) => candidate.layer === '' && candidate.kind === kind);
  return output && sums.get(output.name)?.values.map((sum) => sum / samples);
}

/**
 * @param sums the merged bundle of the program that the layer is in
 * @param outputs the program's
 * @param fold of a layer whose program sums Gram matrices of whole maps
 */
export function layerFactors(
  layer: Pick<Layer, 'name' | 'op' | 'groups' | 'positions'>,
  sums: ReadonlyMap<string, BundleTensor>,
  outputs: readonly ProgramOutput[],
  samples: number,
  fold?: SpatialFold,
): LayerFactors {
  const own = outputs.filter((output) => output.layer === layer.name);
  const take = (output: ProgramOutput): BundleTensor => {
    const sum = sums.get(output.name);
    if (sum === undefined) throw missing(`'${output.name}' of layer '${layer.name}'`);
    return scaled(sum, output, samples);
  };
  const find = (kind: string, group: number): BundleTensor => {
    const output = own.find((candidate) => candidate.kind === kind && candidate.group === group);
    if (output === undefined) throw missing(`the ${kind} factor of layer '${layer.name}'`);
    return take(output);
  };
  if (isEmbedding(layer)) {
    const input = find('input_diagonal', 0);
    const mean = { ...input, values: input.values.map((value) => value / layer.positions) };
    const group = { input, mean, output: find('output', 0) };
    return { layer: layer.name, groups: [group], meanMaps: [], exact: undefined };
  }
  const groups = Array.from({ length: layer.groups }, (_, group) => ({
    input: fold === undefined ? find('input', group) : folded(find('spatial_input', group), fold),
    output: find('output', group),
    mean: find('mean', group),
  }));
  // Their `group` is the index of the use.
  const maps = own.filter(({ kind }) => kind === 'mean_map').sort((a, b) => a.group - b.group);
  const optional = (kind: string) => {
    const output = own.find((candidate) => candidate.kind === kind);
    return output && take(output);
  };
  const trace = optional('ggn_trace')?.values[0];
  const dense = optional('ggn');
  const difference = dense && minusKronecker(dense, groups);
  const exact = trace === undefined ? undefined : { trace, dense, difference };
  return { layer: layer.name, groups, meanMaps: maps.map(take), exact };
}

/** The same layer with another Kronecker pair in every group. */
export function withPairs(factors: LayerFactors, groups: readonly GroupFactors[]): LayerFactors {
  const { exact } = factors;
  if (exact?.dense === undefined) return { ...factors, groups };
  const difference = minusKronecker(exact.dense, groups);
  return { ...factors, groups, exact: { ...exact, difference } };
}

/** The name of a group's tensor in the bundle of its layer. */
export function factorName(kind: string, group: number): string {
  return `g${group}.${kind}`;
}

/**
 * The bundle that the layer's eigendecompositions read.
 * @param meanGrams E[X] E[X]^T of each group, where they are wanted
 */
export function encodeLayerFactors(
  { groups, exact }: LayerFactors,
  meanGrams: readonly BundleTensor[],
): Uint8Array {
  const { dense, difference } = exact ?? {};
  return encodeBundle([
    ...(dense === undefined ? [] : [{ ...dense, name: 'ggn' }]),
    ...(difference === undefined ? [] : [{ ...difference, name: 'ggn_difference' }]),
    ...groups.flatMap(({ input, output }, group) => [
      { ...input, name: factorName('input', group) },
      { ...output, name: factorName('output', group) },
    ]),
    ...meanGrams.map((gram, group) => ({ ...gram, name: factorName('mean_gram', group) })),
  ]);
}
