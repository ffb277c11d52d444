// Small layers whose exact block, Kronecker product and eigenvectors are all formed explicitly.
import type { LinearAlgebra, SymmetricEigen } from '../../linalg/index.js';
import { randomValues } from '../../linalg/testing/matrices.js';
import type { FactorEigenpairs, FactorMatrices, KroneckerIndex } from '../kronecker-factors.js';
import { dimensionOf, type WeightShape, type WeightVectors } from '../weight-vectors.js';

export interface ProblemOptions {
  readonly shape: WeightShape;
  readonly seed: number;
  /** Rank of every output factor; its size unless told. */
  readonly outputRank?: number;
  /** Rank of every input factor. */
  readonly inputRank?: number;
  /** H = K + noise * (a random positive semi-definite matrix). */
  readonly noise: number;
}

export interface LayerProblem {
  readonly shape: WeightShape;
  readonly blocks: readonly FactorMatrices[];
  readonly factors: readonly FactorEigenpairs[];
  /** All d of them, largest product first. */
  readonly pairs: readonly KroneckerIndex[];
  /** K, [d, d]. */
  readonly kronecker: Float64Array;
  /** u (x) v of every pair at full length, [d, d]. */
  readonly kroneckerVectors: Float64Array;
  /** H, [d, d]. */
  readonly dense: Float64Array;
  readonly exact: SymmetricEigen;
  readonly vectors: WeightVectors;
}

/** A positive semi-definite matrix [n, n] of the given rank. */
export function randomGram(n: number, rank: number, seed: number): Float64Array {
  const rows = randomValues(rank * n, seed);
  const gram = new Float64Array(n * n);
  for (let k = 0; k < rank; k++) {
    for (let i = 0; i < n; i++) {
      for (let j = 0; j < n; j++) {
        const product = (rows[k * n + i] as number) * (rows[k * n + j] as number);
        gram[i * n + j] = (gram[i * n + j] as number) + product;
      }
    }
  }
  return gram;
}

/** The Kronecker product of a [p, q] and b [r, s] by its definition, [p r, q s]. */
export function kroneckerProduct(
  a: Float64Array,
  [p, q]: readonly [number, number],
  b: Float64Array,
  [r, s]: readonly [number, number],
): Float64Array {
  return Float64Array.from({ length: p * r * q * s }, (_, at) => {
    const [row, column] = [Math.floor(at / (q * s)), at % (q * s)];
    const left = a[Math.floor(row / r) * q + Math.floor(column / s)] as number;
    return left * (b[(row % r) * s + (column % s)] as number);
  });
}

export async function layerProblem(
  options: ProblemOptions,
  linalg: LinearAlgebra,
): Promise<LayerProblem> {
  const { shape, seed, noise } = options;
  const { groups, outDim: m, inDim: n } = shape;
  const { outputRank = m, inputRank = n } = options;
  const d = dimensionOf(shape);
  const blocks = Array.from({ length: groups }, (_, group) => ({
    output: randomGram(m, outputRank, seed + 10 * group + 1),
    input: randomGram(n, inputRank, seed + 10 * group + 2),
  }));
  const factors: FactorEigenpairs[] = [];
  for (const { output, input } of blocks) {
    factors.push({ output: await linalg.eigh(output, m), input: await linalg.eigh(input, n) });
  }
  const kronecker = new Float64Array(d * d);
  for (const [group, { output, input }] of blocks.entries()) {
    const block = kroneckerProduct(output, [m, m], input, [n, n]);
    for (let row = 0; row < m * n; row++) {
      const at = (group * m * n + row) * d + group * m * n;
      kronecker.set(block.subarray(row * m * n, (row + 1) * m * n), at);
    }
  }
  const pairs = allPairs(shape, factors);
  const kroneckerVectors = new Float64Array(d * d);
  for (const [row, { group, output, input }] of pairs.entries()) {
    const factor = factors[group];
    if (factor === undefined) continue;
    const u = factor.output.vectors.subarray(output * m, (output + 1) * m);
    const v = factor.input.vectors.subarray(input * n, (input + 1) * n);
    kroneckerVectors.set(kroneckerProduct(u, [1, m], v, [1, n]), row * d + group * m * n);
  }
  const random = randomGram(d, d, seed + 5);
  const dense = kronecker.map((value, at) => value + noise * (random[at] as number));
  const exact = await linalg.eigh(dense, d);
  const vectors = { shape, count: d, values: exact.vectors };
  return { shape, blocks, factors, pairs, kronecker, kroneckerVectors, dense, exact, vectors };
}

function allPairs(
  { groups, outDim, inDim }: WeightShape,
  factors: readonly FactorEigenpairs[],
): readonly KroneckerIndex[] {
  const pairs = Array.from({ length: groups * outDim * inDim }, (_, at) => {
    const group = Math.floor(at / (outDim * inDim));
    const [output, input] = [Math.floor(at / inDim) % outDim, at % inDim];
    const factor = factors[group];
    const value = Number(factor?.output.values[output]) * Number(factor?.input.values[input]);
    return { group, output, input, value };
  });
  pairs.sort((a, b) => b.value - a.value);
  return pairs.map(({ group, output, input }) => ({ group, output, input }));
}
