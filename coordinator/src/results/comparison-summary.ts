// What run.json says of each layer of a comparison.
import type { JsonFields } from './json-fields.js';

/** Where the overlap of an operator exceeds that of random subspaces most. */
export interface OverlapPeak {
  readonly k: number;
  /** Over the pairs of runs. */
  readonly mean: number;
  /** null for one pair. */
  readonly deviation: number | null;
  /** k / d. */
  readonly baseline: number;
}

export interface OperatorSummary {
  readonly operator: string;
  readonly dimension: number;
  /** The largest k. */
  readonly top: number;
  /** The run that has no more eigenvectors; null: all that were asked for are compared. */
  readonly limitedBy: string | null;
  /** null where nothing could be compared. */
  readonly peak: OverlapPeak | null;
}

/** The theory's prediction for a layer over all pairs. */
export interface PredictionSummary {
  readonly k: number;
  readonly height: number;
  readonly deviation: number | null;
  readonly pairs: number;
  /** Pairs in which tau_m gamma_1 > tau_1 gamma_2 holds in both runs. */
  readonly holds: number;
}

export interface LayerComparisonSummary {
  readonly layer: string;
  readonly operators: readonly OperatorSummary[];
  /** null where an input is identically 0. */
  readonly prediction: PredictionSummary | null;
}

function operatorSummary(fields: JsonFields): OperatorSummary {
  const peak = fields.objectOrNull('peak');
  return {
    operator: fields.string('operator'),
    dimension: fields.number('dimension'),
    top: fields.number('top'),
    limitedBy: fields.isNull('limitedBy') ? null : fields.string('limitedBy'),
    peak: peak && {
      k: peak.number('k'),
      mean: peak.number('mean'),
      deviation: peak.numberOrNull('deviation'),
      baseline: peak.number('baseline'),
    },
  };
}

/** @throws JsonFieldError when a field is missing */
export function layerComparisonSummary(fields: JsonFields): LayerComparisonSummary {
  const prediction = fields.objectOrNull('prediction');
  return {
    layer: fields.string('layer'),
    operators: fields.objects('operators').map(operatorSummary),
    prediction: prediction && {
      k: prediction.number('k'),
      height: prediction.number('height'),
      deviation: prediction.numberOrNull('deviation'),
      pairs: prediction.number('pairs'),
      holds: prediction.number('holds'),
    },
  };
}
