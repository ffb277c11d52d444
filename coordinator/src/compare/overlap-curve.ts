// The overlap of the top-k eigenspaces of two operators, for k = 1..K.
import type { PairFunction } from './frame.js';

/**
 * overlap(k) = ||U_k^T V_k||_F^2 / k, U_k and V_k being the first k vectors of two orthonormal
 * frames (MATH: subspace overlap). 0 for orthogonal subspaces, 1 for equal ones, k/d on average for
 * random ones in d dimensions.
 * @param squaredCosine (u_i . v_j)^2, i and j from 0
 * @returns length `count`, overlap(1) first; O(count^2)
 */
export function overlapCurve(squaredCosine: PairFunction, count: number): Float64Array {
  const curve = new Float64Array(count);
  let shared = 0;
  for (let k = 1; k <= count; k++) {
    const last = k - 1;
    let added = squaredCosine(last, last);
    for (let i = 0; i < last; i++) added += squaredCosine(i, last) + squaredCosine(last, i);
    shared += added;
    // Rounding may carry equal subspaces beyond 1 by some 1e-15.
    curve[last] = Math.min(1, shared / k);
  }
  return curve;
}
