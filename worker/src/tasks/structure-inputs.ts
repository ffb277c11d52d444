// Reads what a structure task refers to out of the store, and checks that it fits together.
import {
  type ArtifactStore,
  type BundleTensor,
  decodeBundle,
  KronlensError,
  type StructureTask,
  unpackSymmetric,
} from '@kronlens/proto';
import type { SymmetricEigen } from '../linalg/index.js';
import {
  dimensionOf,
  type FactorEigenpairs,
  type FactorMatrices,
  type KroneckerIndex,
  kroneckerEigenvalues,
  type WeightShape,
  type WeightVectors,
} from '../measures/index.js';
import { type HeuristicInputs, readOutputHeuristic } from './output-heuristic.js';

/** A structure task asks for what its bundles do not hold, or they do not fit together. */
export class StructureTaskError extends KronlensError {
  constructor({ layer }: StructureTask, reason: string) {
    super('bad-structure-task', `cannot measure the structure of layer '${layer}': ${reason}`, {
      details: { layer },
    });
  }
}

export interface ExactEigenpairs {
  /** All known eigenvalues, descending. */
  readonly values: Float64Array;
  /** The first `top` eigenvectors. */
  readonly vectors: WeightVectors;
}

/** Everything a structure task measures, as plain arrays. */
export interface StructureInputs {
  readonly shape: WeightShape;
  readonly factors: readonly FactorEigenpairs[];
  readonly blocks: readonly FactorMatrices[];
  readonly pairs: readonly KroneckerIndex[];
  readonly exact: ExactEigenpairs | undefined;
  readonly heuristic: HeuristicInputs | undefined;
}

/** @throws StructureTaskError, ArtifactMissingError, ArtifactCorruptError, MalformedBundleError */
export async function readStructureInputs(
  task: StructureTask,
  store: Pick<ArtifactStore, 'get'>,
): Promise<StructureInputs> {
  const reader = new BundleReader(task, store);
  const factors: FactorEigenpairs[] = [];
  for (const { output, input } of task.factors) {
    factors.push({
      output: await reader.eigenpairs(output),
      input: await reader.eigenpairs(input),
    });
  }
  const [first] = factors;
  if (first === undefined) throw new StructureTaskError(task, 'the task names no factors');
  const [outDim, inDim] = [first.output.values.length, first.input.values.length];
  const shape = { groups: factors.length, outDim, inDim };
  for (const { output, input } of factors) {
    if (output.values.length !== outDim || input.values.length !== inDim)
      throw new StructureTaskError(task, 'its groups have factors of different sizes');
  }
  const blocks: FactorMatrices[] = [];
  for (const { bundle, output, input } of task.blocks) {
    blocks.push({
      output: await reader.square(bundle, output, outDim),
      input: await reader.square(bundle, input, inDim),
    });
  }
  if (blocks.length !== factors.length) {
    const counts = `${blocks.length} pairs of factors and eigenpairs of ${factors.length}`;
    throw new StructureTaskError(task, `the task names ${counts}`);
  }
  return {
    shape,
    factors,
    blocks,
    pairs: checkedPairs(task, shape, factors),
    exact: task.exact === '' ? undefined : await readExact(task, shape, reader),
    heuristic: await readHeuristic(task, shape, store),
  };
}

function checkedPairs(
  task: StructureTask,
  shape: WeightShape,
  factors: readonly FactorEigenpairs[],
): readonly KroneckerIndex[] {
  const pairs = task.pairs.map(({ group, output, input }) => ({ group, output, input }));
  for (const { group, output, input } of pairs) {
    if (group >= shape.groups || output >= shape.outDim || input >= shape.inDim)
      throw new StructureTaskError(task, `it has no pair (${group}, ${output}, ${input})`);
  }
  const values = kroneckerEigenvalues(factors, pairs);
  if (values.some((value, i) => i > 0 && value > (values[i - 1] as number)))
    throw new StructureTaskError(task, 'its Kronecker pairs do not come largest product first');
  return pairs;
}

async function readExact(
  task: StructureTask,
  shape: WeightShape,
  reader: BundleReader,
): Promise<ExactEigenpairs> {
  const bundle = await reader.bundle(task.exact);
  const values = reader.tensor(bundle, 'eigenvalues').values;
  const vectors = reader.tensor(bundle, 'eigenvectors');
  const d = dimensionOf(shape);
  if (vectors.shape[0] !== values.length || vectors.shape[1] !== d) {
    const found = `[${vectors.shape.join(', ')}]`;
    throw new StructureTaskError(
      task,
      `its exact eigenvectors are ${found}, but ${values.length} of ${d} components are expected`,
    );
  }
  const count = Math.min(task.top, values.length);
  return { values, vectors: { shape, count, values: vectors.values.subarray(0, count * d) } };
}

async function readHeuristic(
  task: StructureTask,
  { groups, outDim }: WeightShape,
  store: Pick<ArtifactStore, 'get'>,
): Promise<HeuristicInputs | undefined> {
  if (task.heuristic === undefined) return undefined;
  const refuse = (reason: string) => new StructureTaskError(task, reason);
  if (groups !== 1) throw refuse(`no heuristic is known of ${groups} groups`);
  return await readOutputHeuristic(task.heuristic, outDim, store, refuse);
}

class BundleReader {
  readonly #task: StructureTask;
  readonly #store: Pick<ArtifactStore, 'get'>;
  readonly #read = new Map<string, ReadonlyMap<string, BundleTensor>>();

  constructor(task: StructureTask, store: Pick<ArtifactStore, 'get'>) {
    this.#task = task;
    this.#store = store;
  }

  async bundle(id: string): Promise<ReadonlyMap<string, BundleTensor>> {
    const bundle = this.#read.get(id) ?? decodeBundle(await this.#store.get(id));
    this.#read.set(id, bundle);
    return bundle;
  }

  tensor(bundle: ReadonlyMap<string, BundleTensor>, name: string): BundleTensor {
    const tensor = bundle.get(name);
    if (tensor === undefined) throw new StructureTaskError(this.#task, `a bundle lacks '${name}'`);
    return tensor;
  }

  /** A matrix [n, n] in full, a copy. */
  async square(id: string, name: string, n: number): Promise<Float64Array> {
    const { shape, symmetric, values } = this.tensor(await this.bundle(id), name);
    if (shape.length !== 2 || shape[0] !== n || shape[1] !== n)
      throw new StructureTaskError(
        this.#task,
        `'${name}' is [${shape.join(', ')}], not [${n}, ${n}]`,
      );
    return symmetric ? unpackSymmetric(values, n) : values.slice();
  }

  async eigenpairs(id: string): Promise<SymmetricEigen> {
    const bundle = await this.bundle(id);
    const values = this.tensor(bundle, 'eigenvalues').values;
    const vectors = this.tensor(bundle, 'eigenvectors');
    if (vectors.values.length !== values.length ** 2)
      throw new StructureTaskError(this.#task, 'a factor lacks eigenvectors');
    return { values, vectors: vectors.values };
  }
}
