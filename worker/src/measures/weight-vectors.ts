// Vectors in the space of a layer's whole weight, and the part of them that belongs to one group.

/** The whole weight of a layer, [groups, outDim, inDim]; one group unless it is a grouped convolution. */
export interface WeightShape {
  readonly groups: number;
  /** m, rows of one group's matrix. */
  readonly outDim: number;
  /** n, its columns. */
  readonly inDim: number;
}

/** Vectors of d = groups * m * n components, vec row-major: component (g * m + i) * n + j. */
export interface WeightVectors {
  readonly shape: WeightShape;
  readonly count: number;
  /** [count, d]. */
  readonly values: Float64Array;
}

/** d, the number of components of a vector. */
export function dimensionOf({ groups, outDim, inDim }: WeightShape): number {
  return groups * outDim * inDim;
}

/** Components that are copied out at a time: 32 MiB. */
const CHUNK_COMPONENTS = 2 ** 22;

/** Consecutive vectors whose group parts are handled in one product. */
export interface Chunk {
  readonly first: number;
  readonly count: number;
}

/** Cuts the vectors so that one group's part of a chunk stays small. */
export function chunksOf({ shape, count }: WeightVectors): readonly Chunk[] {
  const size = Math.max(1, Math.floor(CHUNK_COMPONENTS / (shape.outDim * shape.inDim)));
  return Array.from({ length: Math.ceil(count / size) }, (_, i) => ({
    first: i * size,
    count: Math.min(size, count - i * size),
  }));
}

/**
 * The group's part of the vectors of a chunk, Mat(h_j) laid side by side: [m, chunk.count, n], so
 * that one product multiplies all of them from the left, and one from the right. A view of the vector
 * where the chunk is a single one.
 */
export function groupPart(
  { shape, values }: WeightVectors,
  group: number,
  { first, count }: Chunk,
): Float64Array {
  const { outDim: m, inDim: n } = shape;
  const dimension = dimensionOf(shape);
  if (count === 1) {
    const start = first * dimension + group * m * n;
    return values.subarray(start, start + m * n);
  }
  const part = new Float64Array(m * count * n);
  for (let i = 0; i < m; i++) {
    for (let j = 0; j < count; j++) {
      const from = (first + j) * dimension + (group * m + i) * n;
      part.set(values.subarray(from, from + n), (i * count + j) * n);
    }
  }
  return part;
}
