// Orthonormal frames of eigenvectors and the squared cosines between two of them.

/** Orthonormal vectors of length `dimension`, one a row of `values` [count, dimension]. */
export interface Frame {
  readonly count: number;
  readonly dimension: number;
  readonly values: Float64Array;
}

/** A number for every pair (i, j) of a vector of one frame and a vector of another. */
export type PairFunction = (i: number, j: number) => number;

/** How many vectors of the second frame are multiplied at a time. */
const TILE = 4;

/** (u_i . v_j)^2 of all pairs, [a.count, b.count] row-major. @throws Error when dimensions differ */
export function squaredCosines(a: Frame, b: Frame): Float64Array {
  if (a.dimension !== b.dimension)
    throw new Error(`frames of dimensions ${a.dimension} and ${b.dimension} have no cosines`);
  const d = a.dimension;
  const result = new Float64Array(a.count * b.count);
  for (let i = 0; i < a.count; i++) {
    const u = a.values.subarray(i * d, (i + 1) * d);
    for (let first = 0; first < b.count; first += TILE) {
      const tile = dots(u, b.values, first, Math.min(TILE, b.count - first));
      for (const [offset, dot] of tile.entries()) result[i * b.count + first + offset] = dot * dot;
    }
  }
  return result;
}

/** u . v_j for j in [first, first + count), count at most TILE. */
function dots(u: Float64Array, values: Float64Array, first: number, count: number): number[] {
  const d = u.length;
  const [v0, v1, v2, v3] = Array.from({ length: TILE }, (_, offset) => {
    // Missing vectors repeat the last one; their products are dropped.
    const j = first + Math.min(offset, count - 1);
    return values.subarray(j * d, (j + 1) * d);
  }) as [Float64Array, Float64Array, Float64Array, Float64Array];
  let [s0, s1, s2, s3] = [0, 0, 0, 0];
  for (let l = 0; l < d; l++) {
    const x = u[l] as number;
    s0 += x * (v0[l] as number);
    s1 += x * (v1[l] as number);
    s2 += x * (v2[l] as number);
    s3 += x * (v3[l] as number);
  }
  return [s0, s1, s2, s3].slice(0, count);
}

/** The squared cosines of two frames as a function of the pair. */
export function frameCosines(a: Frame, b: Frame): PairFunction {
  const squared = squaredCosines(a, b);
  return (i, j) => squared[i * b.count + j] as number;
}
