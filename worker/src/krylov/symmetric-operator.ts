// The interface behind which iterations see a symmetric matrix: its products with vectors, and nothing else.

/**
 * A symmetric matrix of size [dim, dim] that is known by its products alone. The products may carry
 * rounding errors far above float64's, as those of float32 programs do.
 */
export interface SymmetricOperator {
  readonly dim: number;
  /**
   * Products with several vectors.
   * @param vectors [count, dim], one vector a row; not modified, and valid until the promise settles
   * @returns [count, dim], memory that the caller may overwrite, but not keep: the next products may
   *   be written to it
   */
  apply(vectors: Float64Array, count: number): Promise<Float64Array>;
}

/** a - b of two operators of one size. */
export function differenceOf(a: SymmetricOperator, b: SymmetricOperator): SymmetricOperator {
  if (a.dim !== b.dim) throw new RangeError(`operators of sizes ${a.dim} and ${b.dim}`);
  return {
    dim: a.dim,
    async apply(vectors, count) {
      const difference = await a.apply(vectors, count);
      const other = await b.apply(vectors, count);
      for (let i = 0; i < difference.length; i++) {
        difference[i] = (difference[i] as number) - (other[i] as number);
      }
      return difference;
    },
  };
}
