// A growing orthonormal basis of a block Krylov space, and the operator projected on it.
import type { LinearAlgebra } from '../linalg/index.js';
import { norm } from '../vector/norm.js';
import { giveFloats, takeFloats } from '../vector/spare-memory.js';
import { type Orthonormalised, orthonormalise } from './orthonormalise.js';
import { PanelRows, type RowRange } from './panel-rows.js';
import { ProjectedMatrix, type RitzPairs } from './projected-matrix.js';
import { normalRows, Purpose } from './random-rows.js';
import { combine, innerProducts, subtractCombinations } from './row-products.js';
import type { SymmetricOperator } from './symmetric-operator.js';

/** Parts of a product outside of the basis that are smaller, relative to the operator, are rounding. */
const ROUNDING = 1e-14;
/** Residuals are taken of as many vectors at a time as have this many entries, or of a block. */
const RESIDUAL_ENTRIES = 2 ** 19;
/** Products of the basis rows are kept where all of them have no more entries: products cost more than that. */
const KEPT_ENTRIES = 2 ** 22;
/** Random vectors of which less is left are in the span of the basis. */
const NOTHING_LEFT = 1e-10;

/**
 * Rows [0, known) whose products with the operator are known, and the rows behind them that come
 * next: H Q = Q T + (next rows) (coupling), T and the coupling being in `projected`.
 */
export class KrylovBasis {
  readonly projected: ProjectedMatrix;
  /** Vectors that were multiplied. */
  products = 0;
  readonly #linalg: LinearAlgebra;
  readonly #operator: SymmetricOperator;
  readonly #block: number;
  /** Vectors whose residuals are taken at a time. */
  readonly #together: number;
  readonly #seed: bigint;
  readonly #rows: PanelRows;
  /** Products of a block of vectors, and what becomes of them. */
  readonly #images: PanelRows;
  /** Products of the rows [0, known), where they are kept, and memory for those of a block. */
  readonly #kept: { readonly rows: PanelRows; readonly block: Float64Array } | undefined;
  /** Vectors to be multiplied, [together, dim]. */
  readonly #vectors: Float64Array;
  /**
   * Where the rows begin that the next rows' images have a part in beside rounding errors: those whose
   * images they are the rest of.
   */
  #coupledFrom = 0;
  /** The longest image of a unit vector: a lower bound of the operator's norm. */
  #norm = 0;
  #drawn = 0;
  /** Of the residuals that were taken last, largest first. */
  #worst: { readonly index: number; readonly norm: number; readonly row: Float64Array }[] = [];

  /**
   * @param capacity the most rows with known products
   * @param block vectors that are multiplied at a time
   */
  constructor(
    linalg: LinearAlgebra,
    operator: SymmetricOperator,
    capacity: number,
    block: number,
    seed: bigint,
  ) {
    this.#linalg = linalg;
    this.#operator = operator;
    this.#block = block;
    const { dim } = operator;
    if (capacity * dim <= KEPT_ENTRIES)
      this.#kept = { rows: new PanelRows(capacity, dim), block: takeFloats(block * dim) };
    const most = this.#kept ? block : Math.min(capacity, Math.floor(RESIDUAL_ENTRIES / dim));
    this.#together = Math.max(block, most);
    this.#seed = seed;
    this.#rows = new PanelRows(capacity + block, operator.dim);
    this.#images = new PanelRows(block, operator.dim);
    this.#vectors = takeFloats(this.#together * operator.dim);
    this.projected = new ProjectedMatrix(capacity + block);
  }

  /** Gives the memory back; the object is used up. */
  release(): void {
    for (const rows of [this.#rows, this.#images, this.#kept?.rows]) rows?.release();
    for (const array of [this.#vectors, this.#kept?.block]) if (array) giveFloats(array);
  }

  get known(): number {
    return this.projected.size;
  }

  get next(): number {
    return this.projected.next;
  }

  /** Vectors that have to be multiplied to take the residuals of `count` pairs. */
  residualProducts(count: number): number {
    return this.#kept === undefined ? count : 0;
  }

  /** Multiplies the next rows; what the products have outside of the basis comes next. */
  async extend(): Promise<void> {
    const { projected } = this;
    const [first, count] = [projected.size, projected.next];
    const images = await this.#operator.apply(this.#readVectors(first, count), count);
    this.products += count;
    this.#norm = Math.max(this.#norm, ...lengths(images, count));
    this.#images.write(0, images);
    this.#kept?.rows.write(first, images);
    projected.grow();
    await this.#takeImages(Array.from({ length: count }, (_, i) => first + i));
    this.#coupledFrom = first;
  }

  #readVectors(first: number, count: number): Float64Array {
    return this.#rows.read(first, count, this.#vectors.subarray(0, count * this.#operator.dim));
  }

  /**
   * Splits the images of some rows into their part in the basis and the rest, which comes next. First
   * goes the part in the rows that they couple to, which is nearly all; then that in the whole basis.
   */
  async #takeImages(of: readonly number[]): Promise<void> {
    const { projected } = this;
    const at = this.#coupledFrom;
    const images = { of: this.#images, at: 0, count: of.length };
    const basis = { of: this.#rows, at: 0, count: projected.size };
    const coupled = { of: this.#rows, at, count: projected.size - at };
    const inside = await innerProducts(this.#linalg, images, coupled);
    projected.addColumns(of, inside, at);
    await subtractCombinations(this.#linalg, images, inside, coupled);
    if (projected.size === this.#operator.dim) return;
    const floor = ROUNDING * this.#norm;
    const left = await this.#orthonormalise(of.length, basis, floor);
    projected.addColumns(of, left.inside);
    this.#append(left.rank, of, left.coupling);
  }

  #orthonormalise(count: number, basis: RowRange, floor: number): Promise<Orthonormalised> {
    return orthonormalise(this.#linalg, this.#images, count, basis, floor);
  }

  /** Adds the first images to the next rows. */
  #append(rank: number, columns: readonly number[], coupling: Float64Array): void {
    const end = this.known + this.next;
    if (end + rank > this.#operator.dim) throw new Error('more directions than dimensions');
    this.#rows.copy(end, this.#images, 0, rank);
    this.projected.addNext(rank, columns, coupling);
  }

  /** Adds `count` random vectors to the next rows, fewer where the space has no room for them. */
  async addRandom(count: number): Promise<void> {
    const { dim } = this.#operator;
    const end = this.known + this.next;
    const wanted = Math.min(count, dim - end);
    if (wanted <= 0) return;
    this.#images.write(0, normalRows(this.#seed, Purpose.start, this.#drawn, wanted, dim));
    this.#drawn += wanted;
    const images = { of: this.#images, at: 0, count: wanted };
    const basis = { of: this.#rows, at: 0, count: end };
    const inside = await innerProducts(this.#linalg, images, basis);
    await subtractCombinations(this.#linalg, images, inside, basis);
    const floor = NOTHING_LEFT * Math.sqrt(dim);
    const { rank } = await this.#orthonormalise(wanted, basis, floor);
    this.#append(rank, [], new Float64Array(0));
  }

  /** Forgets the next rows. */
  dropNext(): void {
    this.projected.next = 0;
  }

  /** Goes over to the first `keep` Ritz vectors; the next rows stay. */
  async restrict(pairs: RitzPairs, keep: number): Promise<void> {
    const { known, next } = this;
    for (const of of [this.#rows, this.#kept?.rows]) {
      if (of === undefined) continue;
      const rows = { of, at: 0, count: known };
      await combine(this.#linalg, rows, pairs.vectors.subarray(0, keep * known), keep);
    }
    this.#rows.move(known, keep, next);
    this.#coupledFrom = 0;
    await this.projected.restrict(this.#linalg, pairs, keep);
  }

  /**
   * Of the first rows, which are Ritz vectors: of their products, those of the vectors that they are made
   * of where these are kept.
   * @param values of these rows
   * @returns ||H v - value v|| of each, as far as the operator's own rounding lets one know
   */
  async residuals(values: Float64Array): Promise<Float64Array> {
    const norms = new Float64Array(values.length);
    this.#worst = [];
    for (let first = 0; first < values.length; first += this.#together) {
      const count = Math.min(this.#together, values.length - first);
      const rows = await this.#residualRows(values, first, count);
      norms.set(lengths(rows, count), first);
      this.#keepWorst(rows, first, count, norms);
    }
    return norms;
  }

  async #residualRows(values: Float64Array, first: number, count: number): Promise<Float64Array> {
    const { dim } = this.#operator;
    const vectors = this.#readVectors(first, count);
    const kept = this.#kept;
    const rows = kept
      ? kept.rows.read(first, count, kept.block.subarray(0, count * dim))
      : await this.#operator.apply(vectors, count);
    this.products += this.residualProducts(count);
    for (let i = 0; i < count; i++) {
      const value = values[first + i] as number;
      subtractMultiple(rows, value, vectors, i * dim, (i + 1) * dim);
    }
    return rows;
  }

  /** Keeps as many rows as a block has, those of the largest norms. */
  #keepWorst(rows: Float64Array, first: number, count: number, norms: Float64Array): void {
    const { dim } = this.#operator;
    for (let i = 0; i < count; i++) {
      const norm = norms[first + i] as number;
      if (this.#worst.length === this.#block && norm <= (this.#worst.at(-1)?.norm ?? 0)) continue;
      const row = rows.slice(i * dim, (i + 1) * dim);
      this.#worst.push({ index: first + i, norm, row });
      this.#worst.sort((a, b) => b.norm - a.norm || a.index - b.index);
      this.#worst.length = Math.min(this.#worst.length, this.#block);
    }
  }

  /** Starts anew from the vectors whose residuals were just taken; the largest residuals come next. */
  async resume(values: Float64Array): Promise<void> {
    this.projected.reset(values);
    this.#coupledFrom = 0;
    const worst = this.#worst.sort((a, b) => a.index - b.index);
    this.#worst = [];
    worst.forEach(({ row }, i) => {
      this.#images.write(i, row);
    });
    await this.#takeImages(worst.map(({ index }) => index));
  }

  /** The rows from the first on, [count, dim], in memory that `giveFloats` takes. */
  read(count: number): Float64Array {
    return this.#rows.read(0, count, takeFloats(count * this.#operator.dim));
  }
}

/** rows -= value vectors, in [from, end). */
function subtractMultiple(
  rows: Float64Array,
  value: number,
  vectors: Float64Array,
  from: number,
  end: number,
): void {
  for (let at = from; at < end; at++) {
    rows[at] = (rows[at] as number) - value * (vectors[at] as number);
  }
}

/** Euclidean lengths of the rows. */
function lengths(rows: Float64Array, count: number): number[] {
  const dim = rows.length / count;
  return Array.from({ length: count }, (_, i) => norm(rows.subarray(i * dim, (i + 1) * dim)));
}
