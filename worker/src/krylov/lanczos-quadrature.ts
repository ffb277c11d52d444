// Stochastic Lanczos quadrature: the spectral density of an operator from a few products.
import type { LinearAlgebra } from '../linalg/index.js';
import { norm } from '../vector/norm.js';
import { PanelRows } from './panel-rows.js';
import { normalRows, Purpose } from './random-rows.js';
import { innerProducts, subtractCombinations } from './row-products.js';
import { scaled } from './scaled-operator.js';
import type { SymmetricOperator } from './symmetric-operator.js';

export interface QuadratureOptions {
  /** Random start vectors. */
  readonly probes: number;
  /** Products with each, and nodes of each. */
  readonly steps: number;
  readonly seed: bigint;
  /** The most vectors that are multiplied at a time. */
  readonly block: number;
  /** Told the number of vectors multiplied. */
  readonly onProgress?: (products: number) => void;
}

/**
 * The density of eigenvalues, as point masses: (1 / dim) tr f(A) is about
 * sum_i weights[i] f(nodes[i]) / probes.
 */
export interface Quadrature {
  /** [probes * steps], descending for each probe. */
  readonly nodes: Float64Array;
  /** [probes * steps], summing to 1 for each probe; 0 where an invariant space needed fewer steps. */
  readonly weights: Float64Array;
}

/** Memory for the bases of the probes that are worked on at a time. */
const BASIS_BYTES = 2 ** 31;
/** A direction whose length, relative to the operator, is below this is a rounding error. */
const ROUNDING = 1e-13;

/**
 * Lanczos iteration from each of the random normal vectors, with full reorthogonalisation (Ubaru,
 * Chen, Saad 2017; Golub and Meurant: the nodes are the tridiagonal matrix's eigenvalues, the
 * weights the squares of its eigenvectors' first components).
 */
export async function lanczosQuadrature(
  operator: SymmetricOperator,
  linalg: LinearAlgebra,
  options: QuadratureOptions,
): Promise<Quadrature> {
  const { probes, seed, block } = options;
  const { dim } = operator;
  const steps = Math.min(options.steps, dim);
  const nodes = new Float64Array(probes * options.steps);
  const weights = new Float64Array(probes * options.steps);
  const affordable = Math.floor(BASIS_BYTES / (8 * dim * (steps + 1)));
  const group = Math.max(1, Math.min(block, affordable));
  const { operator: tame, factor } = scaled(operator);
  let products = 0;
  for (let first = 0; first < probes; first += group) {
    const count = Math.min(group, probes - first);
    const starts = normalRows(seed, Purpose.density, first, count, dim);
    const runs = Array.from({ length: count }, (_, i) => {
      const start = starts.subarray(i * dim, (i + 1) * dim);
      return new LanczosRun(linalg, start, steps);
    });
    for (let step = 0; step < steps; step++) {
      const vectors = new Float64Array(count * dim);
      runs.forEach((run, i) => {
        run.readLast(vectors.subarray(i * dim, (i + 1) * dim));
      });
      const images = await tame.apply(vectors, count);
      products += count;
      for (const [i, run] of runs.entries())
        await run.take(images.subarray(i * dim, (i + 1) * dim));
      options.onProgress?.(products);
    }
    for (const [i, run] of runs.entries()) {
      const at = (first + i) * options.steps;
      const rule = await run.rule();
      run.release();
      nodes.set(
        rule.nodes.map((node) => node / factor() + 0),
        at,
      );
      // Steps beyond the dimension repeat the last node, with no weight.
      nodes.fill(nodes[at + steps - 1] as number, at + steps, at + options.steps);
      weights.set(rule.weights, at);
    }
  }
  return { nodes, weights };
}

/** Lanczos iteration from one vector. */
class LanczosRun {
  readonly #linalg: LinearAlgebra;
  readonly #steps: number;
  readonly #basis: PanelRows;
  readonly #image: PanelRows;
  readonly #diagonal: number[] = [];
  /** Entry i couples steps i and i + 1. */
  readonly #offDiagonal: number[] = [];
  #norm = 0;
  #ended = false;

  constructor(linalg: LinearAlgebra, start: Float64Array, steps: number) {
    this.#linalg = linalg;
    this.#steps = steps;
    this.#basis = new PanelRows(steps + 1, start.length);
    this.#image = new PanelRows(1, start.length);
    scale(start, 1 / norm(start));
    this.#basis.write(0, start);
  }

  /** The vector to be multiplied next; zero when the space is exhausted. */
  readLast(into: Float64Array): void {
    if (!this.#ended) this.#basis.read(this.#diagonal.length, 1, into);
  }

  /** Takes the product with that vector, which is overwritten. */
  async take(product: Float64Array): Promise<void> {
    if (this.#ended) return;
    const known = this.#diagonal.length + 1;
    this.#norm = Math.max(this.#norm, norm(product));
    this.#image.write(0, product);
    const image = { of: this.#image, at: 0, count: 1 };
    const basis = { of: this.#basis, at: 0, count: known };
    const inside = await innerProducts(this.#linalg, image, basis);
    this.#diagonal.push(inside[known - 1] as number);
    await subtractCombinations(this.#linalg, image, inside, basis);
    const again = await innerProducts(this.#linalg, image, basis);
    await subtractCombinations(this.#linalg, image, again, basis);
    const rest = this.#image.read(0, 1);
    const beta = norm(rest);
    this.#ended = known === this.#steps || beta <= ROUNDING * this.#norm;
    if (this.#ended) return;
    this.#offDiagonal.push(beta);
    scale(rest, 1 / beta);
    this.#basis.write(known, rest);
  }

  /** Gives the memory back; the object is used up. */
  release(): void {
    this.#basis.release();
    this.#image.release();
  }

  /** Nodes and weights [steps]. */
  async rule(): Promise<Quadrature> {
    const n = this.#diagonal.length;
    const matrix = new Float64Array(n * n);
    this.#diagonal.forEach((value, i) => {
      matrix[i * n + i] = value;
    });
    this.#offDiagonal.forEach((value, i) => {
      matrix[i * n + i + 1] = value;
      matrix[(i + 1) * n + i] = value;
    });
    const { values, vectors } = await this.#linalg.eigh(matrix, n);
    const nodes = new Float64Array(this.#steps).fill(values.at(-1) ?? 0);
    nodes.set(values);
    const weights = new Float64Array(this.#steps);
    for (let i = 0; i < n; i++) weights[i] = (vectors[i * n] as number) ** 2;
    return { nodes, weights };
  }
}

function scale(vector: Float64Array, factor: number): void {
  for (let i = 0; i < vector.length; i++) vector[i] = (vector[i] as number) * factor;
}
