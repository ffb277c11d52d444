// Compares one layer between every pair of runs: overlap curves of its operators, and the prediction.
import type { LayerRow } from '@kronlens/proto';
import type { AnalysisResults } from '../results/index.js';
import { compareExact, EXACT_OPERATORS } from './compare-exact.js';
import { compareFactors } from './compare-factors.js';
import { differentShapes } from './different-shapes.js';
import type {
  AfterPair,
  LayerComparison,
  OperatorCurves,
  PairPrediction,
} from './layer-comparison.js';
import { pairsOf } from './pair-statistics.js';
import { conditionHolds, predictedHeight, predictedPeak } from './prediction.js';
import { readStoredLayer, type StoredLayer } from './stored-frames.js';

const LEAST_TOP = 50;
/** So that a peak at k = m has a falling side: peaks of real networks are up to a tenth beyond it. */
const BEYOND_PEAK = 1.5;

/** The number of eigenvectors to compare unless it is given: 50, or half as many again as the peak's k. */
export function defaultTop(layer: LayerRow): number {
  return Math.max(LEAST_TOP, Math.ceil(BEYOND_PEAK * predictedPeak(layer)));
}

function requireSameDimensions(layer: string, stored: readonly StoredLayer[]): void {
  const sizes = stored.map(({ run, blocks }) => ({
    run,
    input: blocks[0]?.inputFrame.dimension,
    output: blocks[0]?.outputFrame.dimension,
  }));
  for (const size of sizes) {
    for (const factor of ['input', 'output'] as const) {
      const first = sizes[0];
      if (first !== undefined && size[factor] !== first[factor])
        throw differentShapes(
          layer,
          `${first[factor]}-dimensional ${factor}s in ${first.run.name} and ${size[factor]}-dimensional ones in ${size.run.name}`,
        );
    }
  }
}

function predictPair(
  a: StoredLayer | undefined,
  b: StoredLayer | undefined,
): PairPrediction | null {
  const height = predictedHeight(a?.blocks ?? [], b?.blocks ?? []);
  if (a === undefined || b === undefined || height === null) return null;
  return { height, holds: conditionHolds(a.blocks) && conditionHolds(b.blocks) };
}

/**
 * @param top the largest k
 * @throws BadInputError when shapes differ, or a file is missing or damaged
 */
export async function compareLayer(
  runs: readonly AnalysisResults[],
  layer: LayerRow,
  top: number,
  afterPair: AfterPair,
): Promise<LayerComparison> {
  const stored: StoredLayer[] = [];
  for (const run of runs) stored.push(await readStoredLayer(run, layer, top));
  requireSameDimensions(layer.layer, stored);
  const predictions = pairsOf(runs.length).map(([a, b]) => predictPair(stored[a], stored[b]));
  const notes: string[] = [];
  const operators: OperatorCurves[] = [...(await compareFactors(stored, top, afterPair))];
  for (const operator of EXACT_OPERATORS) {
    const exact = await compareExact(runs, layer.layer, operator, top, notes, afterPair);
    if (exact !== undefined) operators.push(exact);
  }
  return { layer, operators, peak: predictedPeak(layer), predictions, notes };
}
