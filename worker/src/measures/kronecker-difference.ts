// The difference between a dense exact block and the Kronecker product, one row at a time.
import type { FactorMatrices } from './kronecker-factors.js';
import { dimensionOf, type WeightShape } from './weight-vectors.js';

/**
 * Writes row `index` of K - H into `row` [d]: K[(g, i, j), (g, i', j')] = A_g[i, i'] B_g[j, j'], 0
 * between groups.
 * @param dense H, [d, d]
 */
export function kroneckerDifferenceRow(
  dense: Float64Array,
  blocks: readonly FactorMatrices[],
  shape: WeightShape,
  index: number,
  row: Float64Array,
): void {
  const { outDim: m, inDim: n } = shape;
  const d = dimensionOf(shape);
  for (let at = 0; at < d; at++) row[at] = 0 - (dense[index * d + at] as number);
  const [group, i, j] = [Math.floor(index / (m * n)), Math.floor(index / n) % m, index % n];
  const block = blocks[group];
  if (block === undefined) throw new RangeError(`group ${group} has no factors`);
  let at = group * m * n;
  for (let i2 = 0; i2 < m; i2++) {
    const a = block.output[i * m + i2] as number;
    for (let j2 = 0; j2 < n; j2++, at++) {
      row[at] = (row[at] as number) + a * (block.input[j * n + j2] as number);
    }
  }
}
