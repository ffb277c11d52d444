// How many output-Hessian columns are pulled back at a time.
import { elementCount, type ShapedGraph } from '../graph/index.js';

/**
 * Floats of the largest cotangent that are pulled back together. Up to here (1 MB) cotangents stay in
 * a core's own cache: convolutions of many more ran three times slower a column, products a third.
 */
const CACHED_FLOATS = 2 ** 18;
/** Every chunk has the reverse pass in the program once more. */
const MOST_CHUNKS = 16;

/**
 * The columns of each chunk, in order. All in one where the least chunks that a program may have
 * would still be too large to be cached.
 * @param graph the model at the program's batch
 * @param columns C, of all chunks together
 */
export function chunkSizes(
  graph: ShapedGraph,
  columns: number,
  cachedFloats = CACHED_FLOATS,
): readonly number[] {
  const sizes = [...graph.types]
    .filter(([value]) => !graph.initializers.has(value))
    .map(([, { shape }]) => elementCount(shape));
  const most = Math.max(1, Math.floor(cachedFloats / Math.max(1, ...sizes)));
  const chunks = Math.ceil(columns / most);
  if (chunks > MOST_CHUNKS) return [columns];
  const least = Math.floor(columns / chunks);
  return Array.from({ length: chunks }, (_, chunk) =>
    chunk < columns - least * chunks ? least + 1 : least,
  );
}
