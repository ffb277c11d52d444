// Curvature tasks: eigenpairs, norms and spectral density of a layer's exact block, from products alone.
import {
  type ArtifactStore,
  type BundleTensor,
  type CurvatureTask,
  decodeBundle,
  encodeBundle,
  unpackSymmetric,
} from '@kronlens/proto';
import { type KroneckerFactors, kroneckerOperator } from '../curvature/kronecker-operator.js';
import { mostShares } from '../curvature/operator-shares.js';
import { withRemoteOperator } from '../curvature/remote-operator.js';
import type { DataFiles } from '../data/data-files.js';
import {
  crossNorms,
  type Eigenpairs,
  type Estimate,
  frobeniusNorms,
  hutchPlusPlus,
  lanczosQuadrature,
  normOfDifference,
  type SpectrumOrder,
  type SymmetricOperator,
  topEigenpairs,
} from '../krylov/index.js';
import type { LinearAlgebra } from '../linalg/index.js';
import type { ThreadPool } from '../pool/thread-pool.js';
import { giveFloats } from '../vector/spare-memory.js';
import {
  CurvatureTaskError,
  type PreparedOperator,
  prepareOperator,
} from './curvature-operator.js';
import { denseCurvature } from './dense-curvature.js';
import type { PoolJobs } from './pool-jobs.js';
import { descending, orderOf } from './spectrum-part.js';
import type { TaskArtifact } from './task-artifact.js';

export interface CurvatureSetting {
  readonly store: Pick<ArtifactStore, 'get'>;
  readonly files: DataFiles;
  readonly pool: ThreadPool<PoolJobs>;
  readonly linalg: LinearAlgebra;
  /** How many threads the task may use at most: its fair share; asked when it begins. */
  readonly threads: () => number;
}

export interface CurvatureRequest {
  readonly signal: AbortSignal | undefined;
  /**
   * @param done vectors multiplied
   * @param total the most that may be multiplied
   * @param what which layer, what is sought, and how it goes
   */
  readonly onProgress: (done: number, total: number, what?: string) => void;
}

/**
 * The norm of the difference is accurate to the square of its residual over the gap, so that it
 * needs no smaller a residual than this, relative to the norm.
 */
const NORM_TOLERANCE = 1e-4;

/**
 * Executes a curvature task: one artifact `curvature`, with the tensors that the task's message
 * lists. Products run in pool threads, which the task keeps; the rest runs here. The bytes do not
 * depend on the number of threads.
 * @throws CurvatureTaskError, BadInputError, DataError, NonFiniteOutputError, RuntimeFailure,
 *   CancelledError, ThreadLostError (retryable)
 */
export async function executeCurvature(
  task: CurvatureTask,
  { store, files, pool, linalg, threads }: CurvatureSetting,
  { signal, onProgress }: CurvatureRequest,
): Promise<readonly TaskArtifact[]> {
  const prepared = await prepareOperator(task, store);
  const kronecker = await readKronecker(task, prepared.dim, store, linalg);
  if (task.top > prepared.dim) {
    throw new CurvatureTaskError(
      task,
      `${task.top} eigenpairs are asked for, but its block has ${prepared.dim}`,
    );
  }
  return await files.borrow(prepared.arrays, async (layouts) => {
    const whole = prepared.whole(layouts);
    const options = { what: `the curvature of layer '${task.layer}'`, signal };
    const leases = [await pool.lease(options)];
    try {
      const most = Math.min(mostShares(whole), threads());
      while (leases.length < most) {
        const lease = pool.leaseIdle(options);
        if (lease === undefined) break;
        leases.push(lease);
      }
      const tensors = await withRemoteOperator(leases, whole, (operator) =>
        new Measurement(task, operator, kronecker, prepared, linalg, onProgress).run(),
      );
      const bytes = encodeBundle(tensors);
      const vectors = tensors.find(({ name }) => name === 'eigenvectors')?.values;
      if (vectors !== undefined) giveFloats(vectors);
      return [{ name: 'curvature', bytes }];
    } finally {
      for (const lease of leases) lease.release();
    }
  });
}

/** The Kronecker side of the layer; undefined where the task names none. */
async function readKronecker(
  task: CurvatureTask,
  dim: number,
  store: Pick<ArtifactStore, 'get'>,
  linalg: LinearAlgebra,
): Promise<SymmetricOperator | undefined> {
  const blocks: KroneckerFactors[] = [];
  for (const block of task.kronecker) {
    const bundle = decodeBundle(await store.get(block.bundle));
    blocks.push({
      output: square(task, bundle.get(block.output), block.output),
      input: square(task, bundle.get(block.input), block.input),
    });
  }
  const [first] = blocks;
  if (first === undefined) return undefined;
  const [m, n] = [Math.sqrt(first.output.length), Math.sqrt(first.input.length)];
  const fit = blocks.every(
    ({ output, input }) => output.length === m * m && input.length === n * n,
  );
  if (!fit || blocks.length * m * n !== dim) {
    throw new CurvatureTaskError(
      task,
      `${blocks.length} Kronecker products of ${m} x ${m} and ${n} x ${n} matrices do not make a block of ${dim}`,
    );
  }
  return kroneckerOperator(blocks, m, n, linalg);
}

/** A full matrix. */
function square(task: CurvatureTask, tensor: BundleTensor | undefined, name: string): Float64Array {
  const [n = 0, columns] = tensor?.shape ?? [];
  if (tensor === undefined || tensor.shape.length !== 2 || n !== columns) {
    throw new CurvatureTaskError(task, `its bundle has no square matrix '${name}'`);
  }
  return tensor.symmetric ? unpackSymmetric(tensor.values, n) : tensor.values;
}

const list = (name: string, values: ArrayLike<number>): BundleTensor => ({
  name,
  shape: [values.length],
  symmetric: false,
  values: Float64Array.from(values),
});

const estimated = (name: string, { value, standardError }: Estimate): BundleTensor =>
  list(name, [value, standardError]);

/** Takes the measures that a task asks for, one after the other. */
class Measurement {
  readonly #task: CurvatureTask;
  readonly #operator: SymmetricOperator;
  readonly #kronecker: SymmetricOperator | undefined;
  readonly #block: number;
  readonly #linalg: LinearAlgebra;
  readonly #onProgress: CurvatureRequest['onProgress'];
  #done = 0;

  constructor(
    task: CurvatureTask,
    operator: SymmetricOperator,
    kronecker: SymmetricOperator | undefined,
    { vectors }: PreparedOperator,
    linalg: LinearAlgebra,
    onProgress: CurvatureRequest['onProgress'],
  ) {
    this.#task = task;
    this.#operator = operator;
    this.#kronecker = kronecker;
    this.#block = vectors;
    this.#linalg = linalg;
    this.#onProgress = onProgress;
  }

  async run(): Promise<readonly BundleTensor[]> {
    const { top, probes, densitySteps, densityProbes, traceProbes, dense, segments } = this.#task;
    if (segments.length > 0) return await this.#segments();
    if (dense) return await this.#formed();
    const pairs = top > 0 ? await this.#eigenpairs() : undefined;
    return [
      ...(pairs === undefined ? [] : eigenTensors(pairs, this.#operator.dim)),
      ...(this.#kronecker === undefined ? [] : await this.#difference(this.#kronecker)),
      ...(probes > 0 ? await this.#frobenius(pairs) : []),
      ...(traceProbes > 0 ? await this.#trace(pairs) : []),
      ...(densityProbes > 0 && densitySteps > 0 ? await this.#density() : []),
    ];
  }

  /** @param products of the present measure */
  #report(products: number, what: string): void {
    const { layer, top, mostProducts, kronecker, probes, ...asked } = this.#task;
    const most = Number(mostProducts);
    const iterations = (top > 0 ? 1 : 0) + (kronecker.length > 0 ? 1 : 0);
    const trace = asked.traceProbes > 0 ? 2 * asked.traceSketch + asked.traceProbes : 0;
    const total = iterations * most + probes + trace + asked.densityProbes * asked.densitySteps;
    this.#onProgress(Math.min(total, this.#done + products), total, `'${layer}': ${what}`);
  }

  /** Norms of the blocks between segments of the vectors. */
  async #segments(): Promise<readonly BundleTensor[]> {
    const { segments, segmentProbes, operator, layer } = this.#task;
    const sizes = segments.map(Number);
    const { dim } = this.#operator;
    const total = segmentProbes === 0 ? dim : segmentProbes * sizes.length;
    if (sizes.reduce((sum, size) => sum + size, 0) !== dim)
      throw new CurvatureTaskError(this.#task, `its segments do not make a block of ${dim}`);
    const { squares, standardErrors } = await crossNorms(this.#operator, sizes, {
      probes: segmentProbes,
      seed: operator?.seed ?? 0n,
      block: this.#block,
      onProgress: (products) =>
        this.#onProgress(products, total, `'${layer}': norms of the blocks between layers`),
    });
    const shape = [sizes.length, sizes.length];
    return [
      { name: 'segment_frobenius', shape, symmetric: false, values: squares },
      { name: 'segment_standard_error', shape, symmetric: false, values: standardErrors },
    ];
  }

  async #formed(): Promise<readonly BundleTensor[]> {
    const { top, layer } = this.#task;
    const { dim } = this.#operator;
    return await denseCurvature(this.#operator, this.#kronecker, this.#linalg, {
      top,
      order: this.#order,
      block: this.#block,
      onProgress: (products) => this.#onProgress(products, dim, `'${layer}': forming the block`),
    });
  }

  get #order(): SpectrumOrder {
    return orderOf(this.#task.part);
  }

  async #eigenpairs(): Promise<Eigenpairs> {
    const { top, tolerance, mostProducts, operator } = this.#task;
    const pairs = await topEigenpairs(this.#operator, this.#linalg, {
      top,
      order: this.#order,
      tolerance,
      mostProducts: Number(mostProducts),
      seed: operator?.seed ?? 0n,
      block: this.#block,
      onProgress: ({ products, iterations, residual, converged }) => {
        const state = residual === undefined ? '' : `, residual ${residual.toExponential(1)}`;
        this.#report(products, `iteration ${iterations}, ${converged}/${top} pairs${state}`);
      },
    });
    this.#done += pairs.products;
    return descending(pairs);
  }

  /** Hutch++, the known eigenpairs left out of what is estimated. */
  async #trace(pairs: Eigenpairs | undefined): Promise<readonly BundleTensor[]> {
    const { traceSketch, traceProbes, operator } = this.#task;
    const trace = await hutchPlusPlus(this.#operator, this.#linalg, {
      sketch: traceSketch,
      probes: traceProbes,
      seed: operator?.seed ?? 0n,
      block: this.#block,
      ...(pairs === undefined ? {} : { eigenpairs: pairs }),
      onProgress: (products) => this.#report(products, 'trace'),
    });
    this.#done += trace.products;
    return [estimated('trace', trace)];
  }

  async #difference(kronecker: SymmetricOperator): Promise<readonly BundleTensor[]> {
    const { tolerance, mostProducts, operator } = this.#task;
    const norm = await normOfDifference(this.#operator, kronecker, this.#linalg, {
      tolerance: Math.max(tolerance, NORM_TOLERANCE),
      mostProducts: Number(mostProducts),
      seed: operator?.seed ?? 0n,
      block: this.#block,
      onProgress: ({ products, iterations, residual = 1 }) =>
        this.#report(
          products,
          `norm of the difference, iteration ${iterations}, residual ${residual.toExponential(1)}`,
        ),
    });
    this.#done += norm.products;
    return [list('difference_norm', [norm.value]), list('difference_residual', [norm.residual])];
  }

  /** Images under H - K, where there is a K, and under H. */
  async #frobenius(pairs: Eigenpairs | undefined): Promise<readonly BundleTensor[]> {
    const { probes, operator } = this.#task;
    const kronecker = this.#kronecker;
    const withDifference = async (vectors: Float64Array, count: number, exact: Float64Array) => {
      if (kronecker === undefined) return [exact];
      const other = await kronecker.apply(vectors, count);
      return [exact, exact.map((value, i) => value - (other[i] as number))];
    };
    const known = pairs && {
      rows: pairs.vectors,
      count: pairs.values.length,
      images: (first: number, count: number) => {
        const { dim } = this.#operator;
        const rows = pairs.vectors.subarray(first * dim, (first + count) * dim);
        const images = rows.map(
          (v, at) => v * (pairs.values[first + Math.floor(at / dim)] as number),
        );
        return withDifference(rows, count, images);
      },
    };
    const [exact, difference] = await frobeniusNorms(
      async (vectors, count) =>
        withDifference(vectors, count, await this.#operator.apply(vectors, count)),
      this.#operator.dim,
      kronecker === undefined ? 1 : 2,
      this.#linalg,
      {
        probes,
        seed: operator?.seed ?? 0n,
        block: this.#block,
        ...(known === undefined ? {} : { known }),
        onProgress: (products) => this.#report(products, 'Frobenius norms'),
      },
    );
    this.#done += probes;
    return [
      ...(difference === undefined ? [] : [estimated('difference_frobenius', difference)]),
      ...(exact === undefined ? [] : [estimated('frobenius', exact)]),
    ];
  }

  async #density(): Promise<readonly BundleTensor[]> {
    const { densityProbes, densitySteps, operator } = this.#task;
    const { nodes, weights } = await lanczosQuadrature(this.#operator, this.#linalg, {
      probes: densityProbes,
      steps: densitySteps,
      seed: operator?.seed ?? 0n,
      block: this.#block,
      onProgress: (products) => this.#report(products, 'spectral density'),
    });
    return [list('density_nodes', nodes), list('density_weights', weights)];
  }
}

function eigenTensors(pairs: Eigenpairs, dim: number): readonly BundleTensor[] {
  const { values, vectors, residuals, converged, products } = pairs;
  const shape = [values.length, dim];
  return [
    list('eigenvalues', values),
    list('residuals', residuals),
    list('converged', converged.map(Number)),
    list('products', [products]),
    { name: 'eigenvectors', shape, symmetric: false, values: vectors },
  ];
}
