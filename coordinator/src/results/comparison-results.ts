// A finished comparison as it lies on disk: its record and its tables.
import {
  MEAN_OVERLAP,
  type MeanOverlapRow,
  PREDICTION,
  type PredictionRow,
  TRAJECTORY,
  type TrajectoryRow,
} from '@kronlens/proto';
import { type LayerComparisonSummary, layerComparisonSummary } from './comparison-summary.js';
import { notAResultFolder } from './damaged.js';
import type { JsonFields } from './json-fields.js';
import { readFinishedRecord } from './read-record.js';
import { readTable, readTableIfThere } from './read-table.js';

/** What run.json says of a comparison. */
export interface ComparisonFacts {
  readonly version: string;
  readonly runs: readonly {
    readonly name: string;
    readonly model: string;
    readonly loss: number | null;
    readonly accuracy: number | null;
  }[];
  /** c: outputs of the models. */
  readonly outputs: number;
  /** Layers that were compared, in order. */
  readonly layers: readonly LayerComparisonSummary[];
  readonly leftOut: readonly { readonly layer: string; readonly missingIn: readonly string[] }[];
  readonly warnings: readonly string[];
}

export interface ComparisonResults {
  readonly folder: string;
  readonly name: string;
  readonly facts: ComparisonFacts;
  readonly overlaps: readonly MeanOverlapRow[];
  readonly predictions: readonly PredictionRow[];
  /** Empty unless the runs were compared as a trajectory. */
  readonly trajectory: readonly TrajectoryRow[];
}

function comparisonFacts(fields: JsonFields): ComparisonFacts {
  return {
    version: fields.string('version'),
    outputs: fields.number('outputs'),
    runs: fields.objects('runs').map((run) => ({
      name: run.string('name'),
      model: run.string('model'),
      loss: run.numberOrNull('loss'),
      accuracy: run.numberOrNull('accuracy'),
    })),
    layers: fields.objects('layers').map(layerComparisonSummary),
    leftOut: fields.objects('leftOut').map((layer) => ({
      layer: layer.string('layer'),
      missingIn: layer.strings('missingIn'),
    })),
    warnings: fields.strings('warnings'),
  };
}

/**
 * Opens the result folder of a comparison.
 * @throws BadInputError when it is no such folder, not finished, or a file is missing or damaged
 */
export async function openComparison(folder: string, name: string): Promise<ComparisonResults> {
  const facts = await readFinishedRecord(folder, (fields, kind) => {
    if (kind !== 'compare') throw notAResultFolder(folder, `it was made by kronlens ${kind}`);
    return comparisonFacts(fields);
  });
  return {
    folder,
    name,
    facts,
    overlaps: await readTable(folder, MEAN_OVERLAP),
    predictions: await readTable(folder, PREDICTION),
    trajectory: (await readTableIfThere(folder, TRAJECTORY)) ?? [],
  };
}
