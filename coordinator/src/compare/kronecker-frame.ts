// Top eigenvectors of a Kronecker product, as pairs of factor eigenvectors, never at full length.
import { type Frame, frameCosines, type PairFunction } from './frame.js';

/** The eigenvector u (x) v of one block: rows of the block's frames. */
export interface ProductVector {
  readonly group: number;
  readonly outputIndex: number;
  readonly inputIndex: number;
}

/** Eigenvectors of the block-diagonal matrix with blocks output (x) input, largest first. */
export interface KroneckerFrame {
  /** One a group. */
  readonly blocks: readonly { readonly input: Frame; readonly output: Frame }[];
  readonly vectors: readonly ProductVector[];
}

/**
 * Squared cosines of product vectors: ((u (x) v) . (u' (x) v'))^2 = (u . u')^2 (v . v')^2, and 0
 * between the blocks of different groups.
 * @throws Error when the frames have different blocks
 */
export function kroneckerCosines(a: KroneckerFrame, b: KroneckerFrame): PairFunction {
  if (a.blocks.length !== b.blocks.length)
    throw new Error(`frames of ${a.blocks.length} and ${b.blocks.length} blocks have no cosines`);
  const cosines = a.blocks.map((block, group) => {
    const other = b.blocks[group] ?? block;
    return {
      input: frameCosines(block.input, other.input),
      output: frameCosines(block.output, other.output),
    };
  });
  return (i, j) => {
    const [u, v] = [a.vectors[i], b.vectors[j]];
    if (u === undefined || v === undefined) throw new Error(`there is no pair (${i}, ${j})`);
    const block = u.group === v.group ? cosines[u.group] : undefined;
    if (block === undefined) return 0;
    return block.output(u.outputIndex, v.outputIndex) * block.input(u.inputIndex, v.inputIndex);
  };
}
