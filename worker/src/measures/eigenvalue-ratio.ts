// Eigenvalues of the Kronecker product against those of the exact block.

/**
 * lambda_k(K) / lambda_k(H) for k = 1 ... `most` (arXiv 2010.04261, section 2).
 * @param kronecker descending
 * @param exact descending, the first `most` positive
 * @returns [most], entry k - 1 for k
 */
export function eigenvalueRatio(
  kronecker: Float64Array,
  exact: Float64Array,
  most: number,
): Float64Array {
  if (most > kronecker.length || most > exact.length)
    throw new RangeError(`there are fewer than ${most} eigenvalues to compare`);
  return Float64Array.from({ length: most }, (_, k) => Number(kronecker[k]) / Number(exact[k]));
}
