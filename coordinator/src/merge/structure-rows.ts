// From the measures of a layer's structure task to rows of structure.arrow, and what to say where one is undefined.
import { type BundleTensor, KronlensError, type StructureRow } from '@kronlens/proto';
import { operatorName } from './factor-files.js';

/** What a structure task found, by tensor name; scalars are [1], or [0] where they are not defined. */
export type StructureBundle = ReadonlyMap<string, BundleTensor>;

/** The layer that a bundle is about. */
export interface MeasuredLayer {
  readonly name: string;
  readonly groups: number;
  /** The exact block's name in spectra.arrow: `ggn`, `hessian`, ... */
  readonly operator: string;
}

/** Measures with a value for every k = 1, 2, ...; in the order of the rows. */
const BY_K = ['eigenspace_overlap', 'eigenvalue_ratio', 'matricised_rank_ratio'] as const;

/** Single numbers; in the order of the rows. */
const SCALARS = [
  'norm_frobenius_kronecker',
  'trace_kronecker',
  'heuristic_overlap',
  'surrogate_overlap',
  'surrogate_error',
] as const;

/**
 * Rows of structure.arrow. `k` of `eigenspace_overlap` is the dimension, of `eigenvalue_ratio` and
 * `matricised_rank_ratio` the eigenvector, from 1. `outlier_position_<operator>` and
 * `outlier_ratio_<operator>` are of the operator of that name in spectra.arrow. A measure that is not
 * defined has no row.
 */
export function structureRows(layer: MeasuredLayer, bundle: StructureBundle): StructureRow[] {
  const rows = (measure: string, tensor: string, byK: boolean): StructureRow[] =>
    Array.from(bundle.get(tensor)?.values ?? [], (value, index) => ({
      layer: layer.name,
      measure,
      k: byK ? index + 1 : null,
      value,
    }));
  const outliers = (operator: string, prefix: string): StructureRow[] => [
    ...rows(`outlier_position_${operator}`, `${prefix}outlier_position`, false),
    ...rows(`outlier_ratio_${operator}`, `${prefix}outlier_ratio`, false),
  ];
  const ofOutputs = Array.from({ length: layer.groups }, (_, group) =>
    outliers(operatorName(layer.groups, group, 'output'), `g${group}.`),
  );
  return [
    ...BY_K.flatMap((measure) => rows(measure, measure, true)),
    ...ofOutputs.flat(),
    ...outliers(layer.operator, ''),
    ...SCALARS.flatMap((measure) => rows(measure, measure, false)),
  ];
}

/**
 * The rows about the exact block once more, of the true Hessian in its place: their measures end in
 * `_hessian`.
 * @param bundle of a structure task on the Hessian's eigenpairs
 */
export function hessianRows(layer: string, bundle: StructureBundle): StructureRow[] {
  const rows = (measure: string, byK: boolean): StructureRow[] =>
    Array.from(bundle.get(measure)?.values ?? [], (value, index) => ({
      layer,
      measure: `${measure}_hessian`,
      k: byK ? index + 1 : null,
      value,
    }));
  return [
    ...BY_K.flatMap((measure) => rows(measure, true)),
    ...rows('outlier_position', false),
    ...rows('outlier_ratio', false),
  ];
}

/**
 * One sentence for each operator of the layer that is degenerate, for people: zero, as behind dead
 * ReLUs, or of so low a rank that measures end before the outliers do.
 * @param outliers that are expected: the rank of the loss's Hessian in the logits
 */
export function structureNotes(
  layer: MeasuredLayer,
  bundle: StructureBundle,
  outliers: number,
): readonly string[] {
  const count = (name: string): number | undefined => bundle.get(name)?.values[0];
  const pairs = bundle.get('eigenvalues_kronecker')?.values.length ?? 0;
  const expected = Math.min(outliers, pairs);
  const heuristic = count('heuristic_rank');
  const operators = [
    [`its exact block (${layer.operator})`, count('rank'), 'measures of its eigenvectors'],
    ['the Kronecker product of its factors', count('rank_kronecker'), 'eigenspace overlaps'],
  ] as const;
  const ranks = operators.flatMap(([what, rank, measures]) => {
    if (rank === undefined || rank >= expected) return [];
    const start = `layer '${layer.name}':`;
    if (rank === 0) return [`${start} ${what} is zero, so ${measures} are not defined`];
    const cause = `only ${rank} eigenvalues of ${what} can be told from zero`;
    return [`${start} ${cause}, so ${measures} end at k = ${rank}`];
  });
  const rank = count('rank_output');
  if (rank === undefined || heuristic === undefined || rank >= heuristic) return ranks;
  const found =
    rank === 0
      ? 'is zero'
      : `has ${rank} eigenvalue${rank === 1 ? '' : 's'} that can be told from zero`;
  return [
    ...ranks,
    `layer '${layer.name}': its output Hessian ${found}, so its overlap with the ${heuristic} dimensions of the heuristic eigenspace is not defined`,
  ];
}

/** The matrix of that name. @throws KronlensError when the bundle lacks it */
export function structureMatrix(bundle: StructureBundle, name: string): BundleTensor {
  const tensor = bundle.get(name);
  if (tensor === undefined)
    throw new KronlensError(
      'bad-task-result',
      `the structure of a layer lacks '${name}'; coordinator and worker do not fit together`,
    );
  return tensor;
}
