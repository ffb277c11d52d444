// Structure tasks: all measures of one layer that compare its exact block with its Kronecker product.
import {
  type ArtifactStore,
  type BundleTensor,
  encodeBundle,
  type StructureTask,
} from '@kronlens/proto';
import type { LinearAlgebra } from '../linalg/index.js';
import {
  dimensionOf,
  eigenspaceOverlap,
  eigenvalueRatio,
  heuristicEigenspace,
  heuristicOverlap,
  inputCorrespondence,
  kroneckerCoordinates,
  kroneckerEigenvalues,
  kroneckerFrobeniusNorm,
  kroneckerTrace,
  matricisedRanks,
  outlierPosition,
  outlierRatio,
  outputCorrespondence,
  positiveRank,
  surrogateError,
  surrogateOutputHessian,
  weightChain,
} from '../measures/index.js';
import type { HeuristicInputs } from './output-heuristic.js';
import {
  type ExactEigenpairs,
  readStructureInputs,
  type StructureInputs,
} from './structure-inputs.js';
import type { TaskArtifact } from './task-artifact.js';

/** Singular values that are kept of every matricised eigenvector. */
const SINGULAR_VALUES = 10;

/** [1], or [0] where it is not defined. */
function scalar(name: string, value: number | null): BundleTensor {
  const values = Float64Array.from(value === null ? [] : [value]);
  return { name, shape: [values.length], symmetric: false, values };
}

function list(name: string, values: Float64Array): BundleTensor {
  return { name, shape: [values.length], symmetric: false, values };
}

function matrix(name: string, rows: number, columns: number, values: Float64Array): BundleTensor {
  return { name, shape: [rows, columns], symmetric: false, values };
}

/**
 * Measures the structure of a layer: one artifact `structure`. H is the exact block, K the Kronecker
 * product; r(X) is the number of leading eigenvalues known of X that can be told from zero, and
 * measures of eigenvectors end there. A scalar is [1], or [0] where it is not defined.
 *
 * - always: `g<g>.outlier_position` and `g<g>.outlier_ratio` of every group's output factor,
 *   `norm_frobenius_kronecker`, `trace_kronecker`, `rank_kronecker`, `eigenvalues_kronecker` [pairs]
 * - with exact eigenpairs: `outlier_position`, `outlier_ratio`, `rank`,
 *   `eigenspace_overlap` [min(r(H), r(K))], `eigenvalue_ratio` [min(r(H), pairs)],
 *   `matricised_rank_ratio` [r(H)], `singular_values` [r(H), at most 10], and of every group g
 *   `g<g>.correspondence_input` [n, r(H)], `g<g>.correspondence_output` [m, r(H)]
 * - with a heuristic: `heuristic_overlap`, `surrogate_overlap`, `surrogate_error`, of E[M] and
 *   M~ in the space that E[M]'s eigenvalues can be told from zero in; `surrogate_output` [m, m]
 * @throws StructureTaskError naming the layer, NotFiniteMatrixError, NoConvergenceError
 * @throws ArtifactMissingError, ArtifactCorruptError, MalformedBundleError
 */
export async function runStructure(
  task: StructureTask,
  { store, linalg }: { readonly store: Pick<ArtifactStore, 'get'>; readonly linalg: LinearAlgebra },
): Promise<TaskArtifact[]> {
  const inputs = await readStructureInputs(task, store);
  const { exact, heuristic } = inputs;
  const tensors = [
    ...ofFactors(inputs, task.classes),
    ...(exact === undefined ? [] : await ofEigenpairs(inputs, exact, task.classes, linalg)),
    ...(heuristic === undefined ? [] : await ofHeuristic(task, inputs, heuristic, linalg)),
  ];
  return [{ name: 'structure', bytes: encodeBundle(tensors) }];
}

function ofFactors(inputs: StructureInputs, classes: number): readonly BundleTensor[] {
  const { shape, factors, blocks, pairs } = inputs;
  const kronecker = kroneckerEigenvalues(factors, pairs);
  const outliers = factors.flatMap(({ output: { values } }, group) => [
    scalar(`g${group}.outlier_position`, outlierPosition(values, shape.outDim, classes)),
    scalar(`g${group}.outlier_ratio`, outlierRatio(values, classes)),
  ]);
  return [
    ...outliers,
    scalar('norm_frobenius_kronecker', kroneckerFrobeniusNorm(blocks)),
    scalar('trace_kronecker', kroneckerTrace(blocks)),
    scalar('rank_kronecker', positiveRank(kronecker)),
    list('eigenvalues_kronecker', kronecker),
  ];
}

async function ofEigenpairs(
  { shape, factors, pairs }: StructureInputs,
  { values, vectors: known }: ExactEigenpairs,
  classes: number,
  linalg: LinearAlgebra,
): Promise<readonly BundleTensor[]> {
  const kronecker = kroneckerEigenvalues(factors, pairs);
  const count = Math.min(known.count, positiveRank(values));
  const vectors = { ...known, count, values: known.values.subarray(0, count * dimensionOf(shape)) };
  const both = Math.min(count, positiveRank(kronecker));
  const products = await kroneckerCoordinates(vectors, factors, pairs, linalg);
  const ranks = await matricisedRanks(vectors, SINGULAR_VALUES, linalg);
  const correspondences: BundleTensor[] = [];
  for (const [group, { input, output }] of factors.entries()) {
    const ofInput = await inputCorrespondence(vectors, group, input.vectors, linalg);
    const ofOutput = await outputCorrespondence(vectors, group, output.vectors, linalg);
    correspondences.push(
      matrix(`g${group}.correspondence_input`, shape.inDim, count, ofInput),
      matrix(`g${group}.correspondence_output`, shape.outDim, count, ofOutput),
    );
  }
  return [
    scalar('outlier_position', outlierPosition(values, dimensionOf(shape), classes)),
    scalar('outlier_ratio', outlierRatio(values, classes)),
    scalar('rank', count),
    list('eigenspace_overlap', eigenspaceOverlap(products, count, pairs.length, both)),
    list('eigenvalue_ratio', eigenvalueRatio(kronecker, values, Math.min(count, pairs.length))),
    list('matricised_rank_ratio', ranks.ratios),
    matrix('singular_values', count, ranks.kept, ranks.singularValues),
    ...correspondences,
  ];
}

async function ofHeuristic(
  { heuristic }: StructureTask,
  { factors, blocks }: StructureInputs,
  { weights, lossHessian }: HeuristicInputs,
  linalg: LinearAlgebra,
): Promise<readonly BundleTensor[]> {
  const [only] = factors;
  const [block] = blocks;
  if (heuristic === undefined || only === undefined || block === undefined) return [];
  const { values, vectors } = only.output;
  const chain = await weightChain(weights, values.length, linalg);
  const space = await heuristicEigenspace(chain, heuristic.shiftInvariant, linalg);
  const surrogate = await surrogateOutputHessian(chain, lossHessian, heuristic.relus, linalg);
  const own = await linalg.eigh(surrogate, chain.columns);
  const r = space.rows;
  const defined = positiveRank(values) >= r;
  const top = {
    rows: r,
    columns: chain.columns,
    values: own.vectors.subarray(0, r * chain.columns),
  };
  const known = defined && positiveRank(own.values) >= r;
  return [
    scalar('heuristic_overlap', defined ? await heuristicOverlap(vectors, space, linalg) : null),
    scalar('surrogate_overlap', known ? await heuristicOverlap(vectors, top, linalg) : null),
    scalar('surrogate_error', surrogateError(surrogate, block.output)),
    scalar('heuristic_rank', r),
    scalar('rank_output', positiveRank(values)),
    matrix('surrogate_output', chain.columns, chain.columns, surrogate),
  ];
}
