// Hutch++: the trace of an operator that is known by its products alone.
import type { LinearAlgebra } from '../linalg/index.js';
import { norm } from '../vector/norm.js';
import { type Estimate, estimateOf } from './estimate.js';
import { removeDirections } from './known-directions.js';
import { orthonormalise } from './orthonormalise.js';
import { PanelRows } from './panel-rows.js';
import { Purpose, signRows } from './random-rows.js';
import { scaled } from './scaled-operator.js';
import type { SymmetricOperator } from './symmetric-operator.js';

export interface TraceOptions {
  /**
   * Random vectors whose images span the directions that are looked at exactly; two products each.
   * 0, without eigenpairs: Hutchinson's plain estimate.
   */
  readonly sketch: number;
  /** Random vectors that estimate the rest; one product each, at least 2 for a standard error. */
  readonly probes: number;
  readonly seed: bigint;
  /** Vectors multiplied at a time. */
  readonly block: number;
  /** Eigenpairs that are known beforehand: they cost no product and are left out of the rest. */
  readonly eigenpairs?: {
    /** [count], v^T A v of each. */
    readonly values: Float64Array;
    /** [count, dim], orthonormal rows. */
    readonly vectors: Float64Array;
  };
  /** Told the number of vectors multiplied. */
  readonly onProgress?: (products: number) => void;
}

export interface TraceEstimate extends Estimate {
  /** Vectors multiplied. */
  readonly products: number;
}

/** Directions shorter than this, relative to the longest image, are rounding errors of float32 products. */
const ROUNDING = 1e-7;

/**
 * tr A = tr(Q A Q^T) + tr((I - Q^T Q) A (I - Q^T Q)): the first exactly, Q an orthonormal basis of
 * the images of random signs, and of what is known of the eigenvectors; the second by random signs
 * (Meyer, Musco, Musco, Woodruff, "Hutch++: Optimal Stochastic Trace Estimation", 2021, algorithm 1).
 * A need not be definite. The estimate has no bias; its standard error is that of the mean over the
 * probes, 0 where Q spans the whole space. The same arguments give the same bytes.
 *
 * Memory: `sketch` vectors and two blocks.
 */
export async function hutchPlusPlus(
  operator: SymmetricOperator,
  linalg: LinearAlgebra,
  options: TraceOptions,
): Promise<TraceEstimate> {
  const { probes, seed, block, eigenpairs } = options;
  const { dim } = operator;
  const { operator: tame, factor } = scaled(operator);
  let products = 0;
  const apply = async (vectors: Float64Array, count: number) => {
    const images = await tame.apply(vectors, count);
    products += count;
    options.onProgress?.(products);
    return images;
  };
  const known = eigenpairs?.values.length ?? 0;
  const vectors = eigenpairs?.vectors ?? new Float64Array(0);
  const drawn = Math.min(options.sketch, dim - known);
  const sketch = new PanelRows(drawn, dim);
  let longest = 0;
  for (let first = 0; first < drawn; first += block) {
    const count = Math.min(block, drawn - first);
    const starts = signRows(seed, Purpose.sketch, first, count, dim);
    await removeDirections(linalg, starts, count, vectors, known);
    const images = await apply(starts, count);
    await removeDirections(linalg, images, count, vectors, known);
    for (let row = 0; row < count; row++)
      longest = Math.max(longest, norm(images.subarray(row * dim, (row + 1) * dim)));
    sketch.write(first, images);
  }
  const none = { of: sketch, at: 0, count: 0 };
  const floor = ROUNDING * longest;
  const { rank } =
    drawn === 0 ? { rank: 0 } : await orthonormalise(linalg, sketch, drawn, none, floor);
  const basis = sketch.read(0, rank);
  sketch.release();
  let exact = 0;
  for (let first = 0; first < rank; first += block) {
    const count = Math.min(block, rank - first);
    const rows = basis.subarray(first * dim, (first + count) * dim);
    for (const form of forms(rows, await apply(rows, count), count)) exact += form;
  }
  const samples: number[] = [];
  for (let first = 0; known + rank < dim && first < probes; first += block) {
    const count = Math.min(block, probes - first);
    const rows = signRows(seed, Purpose.probe, first, count, dim);
    await removeDirections(linalg, rows, count, vectors, known);
    await removeDirections(linalg, rows, count, basis, rank);
    samples.push(...forms(rows, await apply(rows, count), count));
  }
  const rest =
    samples.length === 0 ? { value: exact, standardError: 0 } : estimateOf(exact, samples);
  const ofEigenpairs = (eigenpairs?.values ?? new Float64Array(0)).reduce(
    (sum, value) => sum + value,
    0,
  );
  return {
    value: ofEigenpairs + rest.value / factor(),
    standardError: rest.standardError / factor(),
    products,
  };
}

/** v^T A v of every row. */
function forms(rows: Float64Array, images: Float64Array, count: number): number[] {
  const dim = rows.length / count;
  return Array.from({ length: count }, (_, i) => form(rows, images, i * dim, (i + 1) * dim));
}

/** The sum of products of entries [from, to). */
function form(a: Float64Array, b: Float64Array, from: number, to: number): number {
  let sum = 0;
  for (let at = from; at < to; at++) sum += (a[at] as number) * (b[at] as number);
  return sum;
}
