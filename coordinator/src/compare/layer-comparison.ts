// What comes out of comparing one layer between every pair of runs.
import type { LayerRow } from '@kronlens/proto';

/** One curve a pair of runs, in the order of `pairsOf`, all of the same length. */
export interface OperatorCurves {
  readonly operator: string;
  /** d: the dimension of the space that the eigenvectors are in. */
  readonly dimension: number;
  /** overlap(1), overlap(2), ...; empty where an operator is 0. */
  readonly curves: readonly Float64Array[];
  /** The run that has no more eigenvectors with an eigenvalue above 0; null: top was reached. */
  readonly limitedBy: string | null;
}

/** What theory says of one pair of runs. */
export interface PairPrediction {
  readonly height: number;
  readonly holds: boolean;
}

export interface LayerComparison {
  readonly layer: LayerRow;
  readonly operators: readonly OperatorCurves[];
  /** The k at which the overlap should peak. */
  readonly peak: number;
  /** One a pair of runs; null where an input is identically 0. */
  readonly predictions: readonly (PairPrediction | null)[];
  /** What is missing and why. */
  readonly notes: readonly string[];
}

/** Called after each pair of each operator: counts it, and throws when the work is called off. */
export type AfterPair = () => Promise<void>;
