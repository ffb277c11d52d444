// Where the outliers of an output Hessian are expected from the weights behind the layer alone.
import type { LinearAlgebra } from '../linalg/index.js';
import { eigenspaceOverlap } from './eigenspace-overlap.js';
import { frobeniusNorm } from './kronecker-norms.js';

/** A row-major matrix. */
export interface Matrix {
  readonly rows: number;
  readonly columns: number;
  readonly values: Float64Array;
}

/**
 * S^(p) = W^(L) ... W^(p+1), the product of the weights behind layer p (arXiv 2010.04261, heuristic
 * output eigenspace).
 * @param weights W^(L) first; each with as many columns as the next has rows. None: the identity
 * @param outDim m, outputs of layer p
 */
export async function weightChain(
  weights: readonly Matrix[],
  outDim: number,
  linalg: LinearAlgebra,
): Promise<Matrix> {
  const [first, ...rest] = weights;
  let chain = first ?? identity(outDim);
  for (const { rows, columns, values } of rest) {
    if (chain.columns !== rows)
      throw new RangeError(
        `a weight of ${rows} rows does not follow one of ${chain.columns} columns`,
      );
    const shape = { rows: chain.rows, inner: rows, columns };
    chain = { ...shape, values: await linalg.gemm(chain.values, values, shape) };
  }
  return { rows: chain.rows, columns: chain.columns, values: chain.values };
}

function identity(n: number): Matrix {
  const values = new Float64Array(n * n);
  for (let i = 0; i < n; i++) values[i * n + i] = 1;
  return { rows: n, columns: n, values };
}

/**
 * An orthonormal basis of the row space of S [c, m], where the loss is shift-invariant without the
 * direction S^T 1 (arXiv 2010.04261, heuristic output eigenspace).
 * @param shiftInvariant the loss does not see equal shifts of all logits, as softmax
 * @returns [r, m] with r = c, or c - 1 without the direction; fewer where S has a lower rank
 */
export async function heuristicEigenspace(
  chain: Matrix,
  shiftInvariant: boolean,
  linalg: LinearAlgebra,
): Promise<Matrix> {
  const { rows, columns } = chain;
  const values = shiftInvariant ? await withoutShift(chain, linalg) : chain.values;
  const svd = await linalg.svd(values, rows, columns);
  const negligible = Math.max(rows, columns) * 2 ** -52 * frobeniusNorm(chain.values);
  const rank = svd.values.filter((value) => value > negligible).length;
  return { rows: rank, columns, values: svd.vt.slice(0, rank * columns) };
}

/** The rows of S, each without its part along S^T 1; S itself where that is 0. */
async function withoutShift(
  { rows, columns, values }: Matrix,
  linalg: LinearAlgebra,
): Promise<Float64Array> {
  const ones = new Float64Array(rows).fill(1);
  const direction = await linalg.gemm(ones, values, { rows: 1, inner: rows, columns });
  const square = direction.reduce((sum, value) => sum + value * value, 0);
  const along = await linalg.gemm(values, direction, { rows, inner: columns, columns: 1 });
  if (square === 0) return values;
  return values.map((value, at) => {
    const [row, column] = [Math.floor(at / columns), at % columns];
    return value - ((along[row] as number) / square) * (direction[column] as number);
  });
}

/**
 * Overlap of the heuristic eigenspace of dimension r with that of the r largest eigenvalues of E[M].
 * @param eigenvectors of E[M], [m, m], one a row, largest eigenvalue first
 * @returns null where the heuristic eigenspace is empty
 */
export async function heuristicOverlap(
  eigenvectors: Float64Array,
  heuristic: Matrix,
  linalg: LinearAlgebra,
): Promise<number | null> {
  const { rows: r, columns: m, values } = heuristic;
  if (r === 0) return null;
  const shape = { rows: r, inner: m, columns: r, transposeB: true };
  const products = await linalg.gemm(eigenvectors.subarray(0, r * m), values, shape);
  return eigenspaceOverlap(products, r, r, r)[r - 1] ?? null;
}
