// The largest eigenpairs of a symmetric operator by thick-restart block Lanczos iteration.
import type { LinearAlgebra } from '../linalg/index.js';
import { fixSign } from '../linalg/sign.js';
import { hidesCopies } from './hidden-copies.js';
import { KrylovBasis } from './krylov-basis.js';
import type { RitzPairs, SpectrumOrder } from './projected-matrix.js';
import { scaled } from './scaled-operator.js';
import type { SymmetricOperator } from './symmetric-operator.js';

export interface EigenOptions {
  /** Eigenpairs wanted; at most the operator's dimension are returned. */
  readonly top: number;
  /** A pair is converged when its residual is at most tolerance * largest |eigenvalue|. */
  readonly tolerance: number;
  /** Give up after about so many products with vectors; two for each wanted pair are always allowed. */
  readonly mostProducts: number;
  readonly seed: bigint;
  /** Vectors multiplied at a time; by default 8 to 16, from `top`. */
  readonly block?: number;
  /** `algebraic` by default; of `ends`, one half of `top` from each. */
  readonly order?: SpectrumOrder;
  readonly onProgress?: (progress: EigenProgress) => void;
}

export interface EigenProgress {
  /** Vectors multiplied. */
  readonly products: number;
  /** Blocks multiplied, each of which made the basis larger. */
  readonly iterations: number;
  /**
   * The largest residual of the wanted pairs, relative to the largest |eigenvalue|; undefined while
   * fewer vectors were multiplied than pairs are wanted.
   */
  readonly residual: number | undefined;
  /** Pairs that are converged. */
  readonly converged: number;
}

/** With k = min(top, dim). */
export interface Eigenpairs {
  /** [k], in the order asked for. */
  readonly values: Float64Array;
  /** [k, dim], orthonormal rows with signs as by `fixSign`; `giveFloats` takes them when they are used up. */
  readonly vectors: Float64Array;
  /** [k], ||H v - value v||, of products as the operator gave them, not of what the iteration made of them. */
  readonly residuals: Float64Array;
  readonly converged: readonly boolean[];
  /** Vectors multiplied, those for the residuals included: where vectors are long, each pair once more. */
  readonly products: number;
}

/** Beyond the wanted pairs the basis has room for at least so many vectors. */
const EXTRA_ROOM = 64;
/** Restarts keep this share of what the basis has beyond the wanted vectors. */
const KEPT_SHARE = 0.4;

/** Values that differ by less, relative to the largest, may be copies that errors set apart. */
const CLOSENESS = 1e-5;
/** Fresh random vectors have shown what they can when so many blocks were multiplied since ... */
const FRESH_STEPS = 3;
/** ... and the first pair that is not wanted has no larger a residual, relative to the largest. */
const FRESH_RESIDUAL = 1e-3;

/** Vectors multiplied at a time, unless told otherwise. */
export function blockSize(top: number, dim: number): number {
  return Math.min(dim, Math.max(8, Math.min(16, top)));
}

/**
 * Block Lanczos with full reorthogonalisation (twice against the whole basis, all in BLAS-3),
 * Rayleigh-Ritz and thick restarts (Wu and Simon 2000). The same arguments give the same bytes.
 *
 * A block Krylov space holds at most as many copies of a repeated eigenvalue as its start has
 * vectors. Where more may exist that belong to the wanted ones, fresh random vectors join.
 *
 * An iteration that rounding errors of the products keep from converging ends: when what they
 * contribute to the residuals exceeds what more products could remove, or when the residuals taken
 * afresh at the end stay above the tolerance. What there is is returned then, flagged.
 *
 * Memory: at most max(2 top, top + 64) + 4 blocks of vectors, some 40 MiB where these are short, and the result.
 */
export async function topEigenpairs(
  operator: SymmetricOperator,
  linalg: LinearAlgebra,
  options: EigenOptions,
): Promise<Eigenpairs> {
  const { operator: tame, factor } = scaled(operator);
  const iteration = new Iteration(tame, linalg, options);
  const { values, vectors, residuals, converged, products } = await iteration.run();
  return {
    values: values.map((value) => value / factor() + 0),
    vectors,
    residuals: residuals.map((residual) => residual / factor()),
    converged,
    products,
  };
}

/** Where the iteration stands. */
interface Standing {
  readonly pairs: RitzPairs;
  readonly converged: boolean;
  /** More products of the same kind would not help. */
  readonly stuck: boolean;
  /** The residual of the first pair that is not wanted, if there is one. */
  readonly beyond: number | undefined;
}

class Iteration {
  readonly #linalg: LinearAlgebra;
  readonly #options: EigenOptions;
  readonly #basis: KrylovBasis;
  readonly #dim: number;
  readonly #wanted: number;
  readonly #block: number;
  readonly #capacity: number;
  readonly #order: SpectrumOrder;
  /** Blocks of random vectors that have joined the start. */
  #freshBlocks = 0;
  #stepsSinceFresh = 0;
  #iterations = 0;

  constructor(operator: SymmetricOperator, linalg: LinearAlgebra, options: EigenOptions) {
    this.#linalg = linalg;
    this.#options = options;
    this.#order = options.order ?? 'algebraic';
    this.#dim = operator.dim;
    this.#wanted = Math.min(options.top, this.#dim);
    this.#block = Math.min(this.#dim, options.block ?? blockSize(options.top, this.#dim));
    const room = Math.max(this.#wanted, EXTRA_ROOM, 8 * this.#block);
    this.#capacity = Math.min(this.#dim, this.#wanted + room);
    this.#basis = new KrylovBasis(linalg, operator, this.#capacity, this.#block, options.seed);
  }

  async run(): Promise<Eigenpairs> {
    const found = await this.#solve();
    this.#basis.release();
    return found;
  }

  async #solve(): Promise<Eigenpairs> {
    const basis = this.#basis;
    await basis.addRandom(this.#block);
    let earlier = Number.POSITIVE_INFINITY;
    for (;;) {
      const { pairs, converged } = await this.#iterate();
      await basis.restrict(pairs, this.#wanted);
      const values = pairs.values.slice(0, this.#wanted);
      const residuals = await basis.residuals(values);
      const limit = this.#options.tolerance * pairs.scale;
      const worst = Math.max(0, ...residuals);
      // What was taken to be converged but is not gets another chance as long as chances help.
      if (worst <= limit || !converged || this.#exhausted() || worst > earlier / 2) {
        return this.#finish(values, residuals, limit);
      }
      earlier = worst;
      await basis.resume(values);
    }
  }

  #exhausted(): boolean {
    const { mostProducts } = this.#options;
    const last = this.#basis.residualProducts(this.#wanted);
    return this.#basis.products + this.#block + last > mostProducts;
  }

  /** Multiplies until the wanted pairs are converged as far as the projected matrix tells. */
  async #iterate(): Promise<Standing> {
    const basis = this.#basis;
    for (;;) {
      await basis.extend();
      this.#iterations += 1;
      this.#stepsSinceFresh += 1;
      if (basis.known < this.#wanted) {
        this.#report(undefined, 0);
      } else {
        const now = await this.#judge();
        if (now.stuck || this.#exhausted() || basis.known === this.#dim) return now;
        if (now.converged && this.#searched(now)) {
          if (!this.#mayHideCopies(now.pairs)) return now;
          await this.#addFresh(now.pairs);
        } else if (this.#full()) await this.#restart(now.pairs);
      }
      await basis.addRandom(this.#block - basis.next);
      if (basis.next === 0) throw new Error('a random block lies in the span of the basis');
    }
  }

  /** Whether there is no room for another block; the whole space always has room for what is left. */
  #full(): boolean {
    return this.#capacity < this.#dim && this.#basis.known + this.#block > this.#capacity;
  }

  async #restart(pairs: RitzPairs): Promise<void> {
    const room = this.#capacity - this.#block - this.#wanted;
    const keep = this.#wanted + Math.max(0, Math.floor(KEPT_SHARE * room));
    await this.#basis.restrict(pairs, Math.min(keep, this.#basis.known));
  }

  async #judge(): Promise<Standing> {
    const { projected } = this.#basis;
    const pairs = await projected.ritzPairs(this.#linalg, this.#order);
    // One more than wanted: what comes after them tells whether something was missed.
    const there = Math.min(this.#wanted + 1, projected.size);
    const parts = await projected.residuals(this.#linalg, pairs, there);
    const limit = this.#options.tolerance * pairs.scale;
    let [worst, count, stuck] = [0, 0, true];
    for (const { outside, noise } of parts.slice(0, this.#wanted)) {
      const residual = Math.hypot(outside, noise);
      worst = Math.max(worst, residual);
      if (residual <= limit) count += 1;
      else if (outside > noise) stuck = false;
    }
    const relative = pairs.scale > 0 ? worst / pairs.scale : 0;
    this.#report(relative, count);
    const converged = count === this.#wanted;
    return { pairs, converged, stuck: stuck && !converged, beyond: parts[this.#wanted]?.outside };
  }

  #report(residual: number | undefined, converged: number): void {
    const { products } = this.#basis;
    this.#options.onProgress?.({ products, iterations: this.#iterations, residual, converged });
  }

  #mayHideCopies({ values, scale }: RitzPairs): boolean {
    const found = this.#block * (1 + this.#freshBlocks);
    const wanted = values.subarray(0, this.#wanted);
    return hidesCopies(wanted, this.#order, found, CLOSENESS * scale);
  }

  /** Whether the last fresh vectors, if there were any, have shown what they can show. */
  #searched({ pairs, beyond }: Standing): boolean {
    if (this.#freshBlocks === 0) return true;
    if (this.#stepsSinceFresh < FRESH_STEPS || beyond === undefined) return false;
    return beyond <= FRESH_RESIDUAL * pairs.scale;
  }

  /** Goes on from the wanted pairs, which are converged, and random vectors. */
  async #addFresh(pairs: RitzPairs): Promise<void> {
    this.#freshBlocks += 1;
    this.#stepsSinceFresh = 0;
    this.#basis.dropNext();
    await this.#basis.restrict(pairs, this.#wanted);
    await this.#basis.addRandom(this.#block);
  }

  #finish(values: Float64Array, residuals: Float64Array, limit: number): Eigenpairs {
    const vectors = this.#basis.read(this.#wanted);
    for (let i = 0; i < this.#wanted; i++) {
      fixSign(vectors.subarray(i * this.#dim, (i + 1) * this.#dim));
    }
    const converged = Array.from(residuals, (residual) => residual <= limit);
    return { values, vectors, residuals, converged, products: this.#basis.products };
  }
}
