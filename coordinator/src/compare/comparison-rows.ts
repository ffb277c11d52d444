// The rows of overlap.arrow, overlap_mean.arrow and prediction.arrow, and the summary of a comparison.
import type { MeanOverlapRow, OverlapRow, PredictionRow } from '@kronlens/proto';
import type { LayerComparisonSummary, OverlapPeak, PredictionSummary } from '../results/index.js';
import type { LayerComparison, OperatorCurves, PairPrediction } from './layer-comparison.js';
import { type PairStatistics, pairStatistics, pairsOf } from './pair-statistics.js';
import { predictedOverlap } from './prediction.js';

/** Operators on the whole weight, which the prediction is about. */
const WHOLE_WEIGHT = new Set(['kron', 'ggn', 'hessian']);

/** Statistics of overlap(k) over the pairs, k = 1 first. */
function statistics({ curves }: OperatorCurves): readonly PairStatistics[] {
  return Array.from(curves[0] ?? [], (_, at) =>
    pairStatistics(curves.map((curve) => curve[at] ?? 0)),
  );
}

/** One row a pair, operator and k. */
export function overlapRows(
  names: readonly string[],
  { layer, operators }: LayerComparison,
): readonly OverlapRow[] {
  const pairs = pairsOf(names.length);
  return operators.flatMap(({ operator, curves }) =>
    curves.flatMap((curve, index) => {
      const [a = 0, b = 0] = pairs[index] ?? [];
      const named = { run_a: names[a] ?? '', run_b: names[b] ?? '' };
      return Array.from(curve, (overlap, at) => ({
        ...named,
        layer: layer.layer,
        operator,
        k: at + 1,
        overlap,
      }));
    }),
  );
}

/** One row an operator and k. */
export function meanOverlapRows(comparison: LayerComparison): readonly MeanOverlapRow[] {
  const { layer, operators, peak } = comparison;
  const height = summariseLayer(comparison).prediction?.height;
  return operators.flatMap((operator) =>
    statistics(operator).map(({ count, mean, deviation }, at) => ({
      layer: layer.layer,
      operator: operator.operator,
      k: at + 1,
      pairs: count,
      mean,
      standard_deviation: deviation,
      baseline: (at + 1) / operator.dimension,
      predicted:
        height === undefined || !WHOLE_WEIGHT.has(operator.operator)
          ? null
          : predictedOverlap(at + 1, peak, height),
    })),
  );
}

/** One row a pair for which there is a prediction. */
export function predictionRows(
  names: readonly string[],
  { layer, peak, predictions }: LayerComparison,
): readonly PredictionRow[] {
  return pairsOf(names.length).flatMap(([a, b], index) => {
    const prediction = predictions[index];
    return prediction == null
      ? []
      : [
          {
            run_a: names[a] ?? '',
            run_b: names[b] ?? '',
            layer: layer.layer,
            peak_k: peak,
            ...prediction,
          },
        ];
  });
}

function peakOf(operator: OperatorCurves): OverlapPeak | null {
  let best: OverlapPeak | null = null;
  for (const [at, { mean, deviation }] of statistics(operator).entries()) {
    const baseline = (at + 1) / operator.dimension;
    if (best === null || mean - baseline > best.mean - best.baseline)
      best = { k: at + 1, mean, deviation, baseline };
  }
  return best;
}

function summarisePrediction({ peak, predictions }: LayerComparison): PredictionSummary | null {
  const known = predictions.filter(
    (prediction): prediction is PairPrediction => prediction !== null,
  );
  if (known.length === 0) return null;
  const { mean, deviation, count } = pairStatistics(known.map(({ height }) => height));
  const holds = known.filter((prediction) => prediction.holds).length;
  return { k: peak, height: mean, deviation, pairs: count, holds };
}

/** What the terminal and run.json say of a layer. */
export function summariseLayer(comparison: LayerComparison): LayerComparisonSummary {
  return {
    layer: comparison.layer.layer,
    operators: comparison.operators.map((operator) => ({
      operator: operator.operator,
      dimension: operator.dimension,
      top: operator.curves[0]?.length ?? 0,
      limitedBy: operator.limitedBy,
      peak: peakOf(operator),
    })),
    prediction: summarisePrediction(comparison),
  };
}
