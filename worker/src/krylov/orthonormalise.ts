// Orthonormalises a block of vectors against a basis and in itself, and finds out what is left of it.
import type { LinearAlgebra } from '../linalg/index.js';
import type { PanelRows, RowRange } from './panel-rows.js';
import { combine, innerProducts, subtractCombinations } from './row-products.js';

/** Two are the rule, three where the vectors are nearly dependent. */
const MOST_PASSES = 6;
/** Below this, relative to the largest, eigenvalues of a Gram matrix are rounding errors. */
const SMALLEST = 1e-15;
/** Rows that projecting off the basis left so much of are orthogonal to it. */
const MOSTLY_OUTSIDE = 0.5;

export interface Orthonormalised {
  /** Orthonormal rows that are left, at the front of the block. */
  readonly rank: number;
  /** [rows before, rank]: what the rows were, less their part in the basis, by those that are left. */
  readonly coupling: Float64Array;
  /** [rows before, basis rows]: their part in the basis. */
  readonly inside: Float64Array;
}

/**
 * Replaces a block's rows by orthonormal ones that are orthogonal to the basis, in place, by SVQB
 * (Stathopoulos and Wu 2002: the eigendecomposition of the Gram matrix, which shows the rank) and
 * Gram-Schmidt against the basis, repeated until both hold to rounding.
 * @param block all its rows, with little in the basis: what rounding errors of products leave there
 * @param basis orthonormal
 * @param floor directions in which the block is not longer than this are rounding errors: dropped
 */
export async function orthonormalise(
  linalg: LinearAlgebra,
  block: PanelRows,
  count: number,
  basis: RowRange,
  floor: number,
): Promise<Orthonormalised> {
  let rank = count;
  /** [count, rank]: the original rows by the present ones. */
  let coupling = identity(count);
  const inside = new Float64Array(count * basis.count);
  for (let pass = 0; pass < MOST_PASSES && rank > 0; pass++) {
    const rows = { of: block, at: 0, count: rank };
    if (pass > 0) {
      const parts = await innerProducts(linalg, rows, basis);
      await subtractCombinations(linalg, rows, parts, basis);
      const shape = { rows: count, inner: rank, columns: basis.count };
      await linalg.addGemm(inside, 1, coupling, parts, shape);
    }
    const gram = await innerProducts(linalg, rows, rows);
    const { kept, lengths } = directions(gram, rank, coupling, count, floor);
    const step = await whiten(linalg, gram, rank, kept, lengths);
    await combine(linalg, rows, step.factors, kept.length);
    coupling = await linalg.gemm(coupling, step.inverse, {
      rows: count,
      inner: rank,
      columns: kept.length,
    });
    rank = kept.length;
    const outside = kept.every((i) => (lengths[i] as number) >= MOSTLY_OUTSIDE);
    if (pass > 0 && outside && step.conditioned) break;
  }
  return { rank, coupling: rank === 0 ? new Float64Array(0) : coupling, inside };
}

/** Lengths of the rows, and those of which something above the floor is left. */
function directions(
  gram: Float64Array,
  rank: number,
  coupling: Float64Array,
  count: number,
  floor: number,
): { readonly kept: readonly number[]; readonly lengths: readonly number[] } {
  const lengths = Array.from({ length: rank }, (_, i) => Math.sqrt(gram[i * rank + i] as number));
  const kept = [...lengths.keys()].filter((i) => {
    let share = 0;
    for (let row = 0; row < count; row++) share += (coupling[row * rank + i] as number) ** 2;
    return Math.sqrt(share) * (lengths[i] as number) > floor;
  });
  return { kept, lengths };
}

interface Whitening {
  /** [kept, rank]: makes the new rows of the old ones. */
  readonly factors: Float64Array;
  /** [rank, kept]: gives the old ones back. */
  readonly inverse: Float64Array;
  /** Whether the new rows are orthonormal up to rounding. */
  readonly conditioned: boolean;
}

/** The rows scaled to unit length, rotated to the Gram matrix's axes, and scaled again. */
async function whiten(
  linalg: LinearAlgebra,
  gram: Float64Array,
  rank: number,
  kept: readonly number[],
  lengths: readonly number[],
): Promise<Whitening> {
  const n = kept.length;
  const scaled = new Float64Array(n * n);
  kept.forEach((i, row) => {
    kept.forEach((j, column) => {
      const size = (lengths[i] as number) * (lengths[j] as number);
      // Of the two triangles the upper one counts: products may round differently.
      const entry = gram[Math.min(i, j) * rank + Math.max(i, j)] as number;
      scaled[row * n + column] = entry / size;
    });
  });
  const { values, vectors } = await linalg.eigh(scaled, n);
  const largest = values[0] ?? 0;
  const factors = new Float64Array(n * rank);
  const inverse = new Float64Array(rank * n);
  for (let axis = 0; axis < n; axis++) {
    const length = Math.sqrt(Math.max(values[axis] as number, SMALLEST * largest));
    kept.forEach((i, row) => {
      const entry = vectors[axis * n + row] as number;
      factors[axis * rank + i] = entry / (lengths[i] as number) / length;
      inverse[i * n + axis] = entry * (lengths[i] as number) * length;
    });
  }
  return { factors, inverse, conditioned: (values[n - 1] ?? 1) > 0.5 };
}

function identity(n: number): Float64Array {
  const matrix = new Float64Array(n * n);
  for (let i = 0; i < n; i++) matrix[i * n + i] = 1;
  return matrix;
}
