// Overlap curves of the factors' eigenvectors and of the Kronecker eigenvectors that they make.
import { operatorName } from '../merge/factor-files.js';
import { numericalRank } from '../results/index.js';
import { type Frame, frameCosines, type PairFunction } from './frame.js';
import { kroneckerCosines } from './kronecker-frame.js';
import type { AfterPair, OperatorCurves } from './layer-comparison.js';
import { overlapCurve } from './overlap-curve.js';
import { pairsOf } from './pair-statistics.js';
import type { StoredBlock, StoredLayer } from './stored-frames.js';

type Factor = 'input' | 'output';

/** How to compare one operator. */
interface Comparison {
  readonly operator: string;
  readonly dimension: number;
  /** Eigenvectors that are told from those of the eigenvalue 0, of each run. */
  readonly ranks: readonly number[];
  readonly cosines: (a: StoredLayer, b: StoredLayer) => PairFunction;
}

function blockOf({ run, blocks }: StoredLayer, group: number): StoredBlock {
  const block = blocks[group];
  if (block === undefined) throw new Error(`${run.name} has no group ${group}`);
  return block;
}

function factorComparison(
  stored: readonly StoredLayer[],
  groups: number,
  group: number,
  factor: Factor,
): Comparison {
  const frame = (layer: StoredLayer): Frame => {
    const { inputFrame, outputFrame } = blockOf(layer, group);
    return factor === 'input' ? inputFrame : outputFrame;
  };
  return {
    operator: operatorName(groups, group, factor),
    dimension: Math.max(0, ...stored.map((layer) => frame(layer).dimension)),
    ranks: stored.map((layer) => numericalRank(blockOf(layer, group)[factor])),
    cosines: (a, b) => frameCosines(frame(a), frame(b)),
  };
}

function kroneckerComparison(stored: readonly StoredLayer[]): Comparison {
  const dimension = (stored[0]?.blocks ?? []).reduce(
    (sum, { inputFrame, outputFrame }) => sum + inputFrame.dimension * outputFrame.dimension,
    0,
  );
  return {
    operator: 'kron',
    dimension,
    ranks: stored.map(({ kronecker }) => kronecker.vectors.length),
    cosines: (a, b) => kroneckerCosines(a.kronecker, b.kronecker),
  };
}

/**
 * Compares `output`, `input` and `kron` up to k = top, or the smallest rank.
 * @param stored the layer in each run, of equal dimensions
 */
export async function compareFactors(
  stored: readonly StoredLayer[],
  top: number,
  afterPair: AfterPair,
): Promise<readonly OperatorCurves[]> {
  const groups = stored[0]?.blocks.length ?? 0;
  const each = (factor: Factor) =>
    Array.from({ length: groups }, (_, group) => factorComparison(stored, groups, group, factor));
  const result: OperatorCurves[] = [];
  for (const comparison of [...each('output'), ...each('input'), kroneckerComparison(stored)]) {
    const { operator, dimension, ranks, cosines } = comparison;
    const wanted = Math.min(top, dimension);
    const count = Math.min(wanted, ...ranks);
    const limitedBy = count < wanted ? (stored[ranks.indexOf(count)]?.run.name ?? null) : null;
    const curves: Float64Array[] = [];
    for (const [a, b] of pairsOf(stored.length)) {
      const [first, second] = [stored[a], stored[b]];
      if (first === undefined || second === undefined) continue;
      curves.push(overlapCurve(cosines(first, second), count));
      await afterPair();
    }
    result.push({ operator, dimension, curves, limitedBy });
  }
  return result;
}
