// The Hessian of all layers together, approximated by the stacked output Hessian and the mean inputs.
import { positiveRank } from './positive-rank.js';

/** One layer's place in the stack. */
export interface StackedLayer {
  /** m_p. */
  readonly outDim: number;
  /** E[x~] of the layer, [n_p], with the homogeneous coordinate 1 where biases belong to the weight. */
  readonly meanInput: Float64Array;
}

/** Eigenpairs whose vectors are concat_p t_i^(p) (x) E[x~^(p)]: all that has to be kept is t_i. */
export interface FullHessianEigenpairs {
  /** Descending, [count]. */
  readonly values: Float64Array;
  /** t_i, [count, sum of m_p]. */
  readonly stacked: Float64Array;
  readonly count: number;
}

/** A direction is spent when Gram-Schmidt leaves less of its unit vector than this. */
const DEPENDENT = 1e-8;

/**
 * Eigenpairs of the Hessian's G-term across layers from those (s_i, u_i) of the stacked output
 * Hessian E[G^T A G] (arXiv 2010.04261, full Hessian): with w_i = concat_p u_i^(p) (x) E[x~^(p)] the
 * eigenvalues are s_i ||w_i||^2, and the eigenvectors come from w_i, largest eigenvalue first, by
 * Gram-Schmidt. Since every w_i has the same E[x~^(p)], that is done on the u_i, in the inner product
 * <a, b> = sum_p ||E[x~^(p)]||^2 a^(p) . b^(p). Zero and linearly dependent w_i are left out.
 * @param outputValues s_i, [k]
 * @param outputVectors u_i, [k, sum of m_p], one a row
 * @param most eigenpairs wanted
 */
export function fullHessianEigenpairs(
  outputValues: Float64Array,
  outputVectors: Float64Array,
  layers: readonly StackedLayer[],
  most = outputValues.length,
): FullHessianEigenpairs {
  const weights = Float64Array.from(
    layers.flatMap(({ outDim, meanInput }) => {
      const square = meanInput.reduce((sum, value) => sum + value * value, 0);
      return Array.from({ length: outDim }, () => square);
    }),
  );
  const dot = (a: Float64Array, b: Float64Array): number =>
    weights.reduce((sum, weight, at) => sum + weight * (a[at] as number) * (b[at] as number), 0);
  const candidates = Array.from(outputValues, (value, i) => {
    const vector = outputVectors.slice(i * weights.length, (i + 1) * weights.length);
    const square = dot(vector, vector);
    return { value: value * square, vector, norm: Math.sqrt(square) };
  }).sort((a, b) => b.value - a.value);
  const rank = positiveRank(Float64Array.from(candidates, ({ value }) => value));

  const values: number[] = [];
  const basis: Float64Array[] = [];
  for (const { value, vector, norm } of candidates.slice(0, rank)) {
    if (basis.length === most) break;
    scale(vector, 1 / norm);
    // The second pass takes away what rounding left of the first.
    for (const earlier of [...basis, ...basis]) subtract(vector, earlier, dot(vector, earlier));
    const left = Math.sqrt(dot(vector, vector));
    if (left < DEPENDENT) continue;
    scale(vector, 1 / left);
    values.push(value);
    basis.push(vector);
  }
  const stacked = new Float64Array(basis.length * weights.length);
  basis.forEach((vector, i) => {
    stacked.set(vector, i * weights.length);
  });
  return { values: Float64Array.from(values), stacked, count: basis.length };
}

/**
 * The eigenvectors at full length, [count, sum of m_p n_p]: layer after layer, each vec row-major.
 */
export function fullHessianVectors(
  { stacked, count }: FullHessianEigenpairs,
  layers: readonly StackedLayer[],
): Float64Array {
  const length = layers.reduce((sum, layer) => sum + layer.outDim * layer.meanInput.length, 0);
  const vectors = new Float64Array(count * length);
  let [from, to] = [0, 0];
  for (let i = 0; i < count; i++) {
    for (const { outDim, meanInput } of layers) {
      for (let row = 0; row < outDim; row++, from++) {
        for (const value of meanInput) vectors[to++] = (stacked[from] as number) * value;
      }
    }
  }
  return vectors;
}

function scale(vector: Float64Array, factor: number): void {
  for (let i = 0; i < vector.length; i++) vector[i] = (vector[i] as number) * factor;
}

function subtract(vector: Float64Array, other: Float64Array, factor: number): void {
  for (let i = 0; i < vector.length; i++) {
    vector[i] = (vector[i] as number) - factor * (other[i] as number);
  }
}
