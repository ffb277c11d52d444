// The operator as a Krylov basis sees it: products projected on the basis, Ritz pairs and their residuals.
import type { LinearAlgebra } from '../linalg/index.js';
import { norm } from '../vector/norm.js';

/**
 * `algebraic`: largest eigenvalues first; `magnitude`: largest absolute values first; `ends`: the
 * largest, the smallest, the second largest, the second smallest, and so on.
 */
export type SpectrumOrder = 'algebraic' | 'magnitude' | 'ends';

/** Eigenpairs of the projected operator, with the residuals of the Ritz pairs that they make. */
export interface RitzPairs {
  /** [size], in the order asked for. */
  readonly values: Float64Array;
  /** [size, size]: row i gives Ritz vector i by the basis. */
  readonly vectors: Float64Array;
  /** The largest absolute value. */
  readonly scale: number;
}

/** Where the residual ||H v - value v|| of a Ritz pair comes from. */
export interface ResidualParts {
  /** From the part of H's products that is outside the basis: more products make it smaller. */
  readonly outside: number;
  /** From products that contradict the symmetry of H: rounding errors, which nothing makes smaller. */
  readonly noise: number;
}

/**
 * T[i, j] = q_i . H q_j for the basis rows q_j whose products are known (`size` of them) and for the
 * `next` rows q_i behind them, which are all that the products have outside of the first. Products
 * with rounding errors make T slightly unsymmetric; it is kept as it is.
 */
export class ProjectedMatrix {
  readonly #stride: number;
  readonly #entries: Float64Array;
  size = 0;
  next = 0;

  /** @param capacity the most rows, `next` ones included */
  constructor(capacity: number) {
    this.#stride = capacity;
    this.#entries = new Float64Array(capacity * capacity);
  }

  #at(row: number, column: number): number {
    return this.#entries[row * this.#stride + column] as number;
  }

  /** Adds to columns of T, from a row on; what is added is given transposed, [columns, size - first]. */
  addColumns(columns: readonly number[], transposed: Float64Array, first = 0): void {
    const rows = this.size - first;
    columns.forEach((column, i) => {
      for (let row = 0; row < rows; row++) {
        const at = (first + row) * this.#stride + column;
        this.#entries[at] = (this.#entries[at] as number) + (transposed[i * rows + row] as number);
      }
    });
  }

  /** The `next` rows' products become known: they count as columns from now on, still empty. */
  grow(): void {
    const [first, end] = [this.size, this.size + this.next];
    for (let row = 0; row < end; row++) {
      this.#entries.fill(0, row * this.#stride + first, row * this.#stride + end);
    }
    this.size = end;
    this.next = 0;
  }

  /**
   * Adds rows behind the basis.
   * @param columns those that they couple to
   * @param coupling [columns, rows]
   */
  addNext(rows: number, columns: readonly number[], coupling: Float64Array): void {
    const first = this.size + this.next;
    for (let i = 0; i < rows; i++) {
      const start = (first + i) * this.#stride;
      this.#entries.fill(0, start, start + this.#stride);
      columns.forEach((column, j) => {
        this.#entries[start + column] = coupling[j * rows + i] as number;
      });
    }
    this.next += rows;
  }

  /** Starts anew from Ritz vectors whose images under H are their multiples. */
  reset(values: Float64Array): void {
    this.#entries.fill(0);
    this.size = values.length;
    this.next = 0;
    values.forEach((value, i) => {
      this.#entries[i * this.#stride + i] = value;
    });
  }

  /** Eigenpairs of the symmetric part. */
  async ritzPairs(linalg: LinearAlgebra, order: SpectrumOrder): Promise<RitzPairs> {
    const n = this.size;
    const symmetric = new Float64Array(n * n);
    for (let i = 0; i < n; i++) {
      for (let j = 0; j < n; j++) symmetric[i * n + j] = (this.#at(i, j) + this.#at(j, i)) / 2;
    }
    const { values, vectors } = await linalg.eigh(symmetric, n);
    const scale = Math.max(Math.abs(values[0] ?? 0), Math.abs(values[n - 1] ?? 0));
    if (order === 'algebraic') return { values, vectors, scale };
    const places = placesIn(values, order);
    const sorted = new Float64Array(n * n);
    places.forEach((place, i) => {
      sorted.set(vectors.subarray(place * n, (place + 1) * n), i * n);
    });
    return {
      values: Float64Array.from(places, (i) => values[i] as number),
      vectors: sorted,
      scale,
    };
  }

  /** What H does to the first `count` Ritz vectors beyond multiplying them. */
  async residuals(
    linalg: LinearAlgebra,
    { vectors }: RitzPairs,
    count: number,
  ): Promise<readonly ResidualParts[]> {
    const n = this.size;
    const rows = n + this.next;
    const beyond = new Float64Array(rows * n);
    for (let row = 0; row < rows; row++) {
      for (let j = 0; j < n; j++) {
        const entry = this.#at(row, j);
        beyond[row * n + j] = row < n ? (entry - this.#at(j, row)) / 2 : entry;
      }
    }
    const shape = { rows: count, inner: n, columns: rows, transposeB: true };
    const images = await linalg.gemm(vectors.subarray(0, count * n), beyond, shape);
    return Array.from({ length: count }, (_, i) => ({
      noise: norm(images.subarray(i * rows, i * rows + n)),
      outside: norm(images.subarray(i * rows + n, (i + 1) * rows)),
    }));
  }

  /** Goes over to the first `keep` Ritz vectors as basis; the next rows stay. */
  async restrict(linalg: LinearAlgebra, { vectors }: RitzPairs, keep: number): Promise<void> {
    const n = this.size;
    const rows = n + this.next;
    const factors = vectors.subarray(0, keep * n);
    const known = new Float64Array(rows * n);
    for (let row = 0; row < rows; row++) {
      const start = row * this.#stride;
      known.set(this.#entries.subarray(start, start + n), row * n);
    }
    const shape = { rows, inner: n, columns: keep, transposeB: true };
    const right = await linalg.gemm(known, factors, shape);
    const inside = await linalg.gemm(factors, right.subarray(0, n * keep), {
      rows: keep,
      inner: n,
      columns: keep,
    });
    for (let row = 0; row < keep + this.next; row++) {
      const source = row < keep ? inside : right;
      const from = row < keep ? row : n + row - keep;
      const start = row * this.#stride;
      this.#entries.fill(0, start, start + this.#stride);
      this.#entries.set(source.subarray(from * keep, (from + 1) * keep), start);
    }
    this.size = keep;
  }
}

/** Where the eigenvalues, descending, stand that come first, second, ... in an order. */
export function placesIn(values: Float64Array, order: SpectrumOrder): readonly number[] {
  const places = [...values.keys()];
  if (order === 'algebraic') return places;
  if (order === 'ends')
    return places.map((i) => (i % 2 === 0 ? i / 2 : values.length - (i + 1) / 2));
  return places.sort(
    (i, j) => Math.abs(values[j] as number) - Math.abs(values[i] as number) || i - j,
  );
}
