// Compares finished runs from end to end: opens them, compares layer by layer, writes the tables.
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import {
  encodeTable,
  MEAN_OVERLAP,
  OVERLAP,
  PREDICTION,
  TRAJECTORY,
  writeFileAtomic,
} from '@kronlens/proto';
import type { ProgressSink } from '../plan/progress-sink.js';
import { UsageError } from '../plan/usage-error.js';
import { type AnalysisResults, layerSpectra, openAnalysis, runNames } from '../results/index.js';
import { commonLayers } from './common-layers.js';
import { differences } from './comparable.js';
import { EXACT_OPERATORS } from './compare-exact.js';
import { compareLayer, defaultTop } from './compare-layer.js';
import { makeFolder, requireUsable } from './comparison-folder.js';
import {
  type ComparisonRecord,
  comparisonRecord,
  type RecordedComparison,
  writeComparisonRecord,
} from './comparison-record.js';
import { meanOverlapRows, overlapRows, predictionRows, summariseLayer } from './comparison-rows.js';
import type { LayerComparison } from './layer-comparison.js';
import { pairsOf } from './pair-statistics.js';
import { trajectoryRows } from './trajectory.js';

export interface ComparisonRequest {
  /** Result folders of analyses; with `trajectory`, in the order of the training. */
  readonly folders: readonly string[];
  readonly out: string;
  /** The largest k; undefined: 50, or half as many again as the output dimension. */
  readonly top: number | undefined;
  readonly trajectory: boolean;
}

async function openRuns(folders: readonly string[]): Promise<readonly AnalysisResults[]> {
  if (folders.length < 2)
    throw new UsageError('compare needs the result folders of two runs or more');
  const names = runNames(folders);
  const runs: AnalysisResults[] = [];
  for (const [index, folder] of folders.entries())
    runs.push(await openAnalysis(folder, names[index] ?? folder));
  return runs;
}

/** Operators of a layer that will be compared. */
function operatorCount(runs: readonly AnalysisResults[], layer: string, groups: number): number {
  const exact = EXACT_OPERATORS.filter((operator) =>
    runs.every(({ spectra }) => layerSpectra(spectra, layer).has(operator)),
  );
  return 2 * groups + 1 + exact.length;
}

async function writeTables(
  { out, trajectory }: ComparisonRequest,
  runs: readonly AnalysisResults[],
  comparisons: readonly LayerComparison[],
): Promise<void> {
  const names = runs.map(({ name }) => name);
  const tables = [
    [
      OVERLAP.name,
      encodeTable(
        OVERLAP,
        comparisons.flatMap((each) => overlapRows(names, each)),
      ),
    ],
    [MEAN_OVERLAP.name, encodeTable(MEAN_OVERLAP, comparisons.flatMap(meanOverlapRows))],
    [
      PREDICTION.name,
      encodeTable(
        PREDICTION,
        comparisons.flatMap((each) => predictionRows(names, each)),
      ),
    ],
    ...(trajectory
      ? ([[TRAJECTORY.name, encodeTable(TRAJECTORY, trajectoryRows(runs, comparisons))]] as const)
      : []),
  ] as const;
  for (const [name, bytes] of tables) await writeFileAtomic(join(out, `${name}.arrow`), bytes);
}

/**
 * @param signal calls the comparison off; nothing has been written then
 * @throws UsageError, BadInputError: whatever is wrong with the folders; DiskFullError
 */
export async function runComparison(
  request: ComparisonRequest,
  signal: AbortSignal,
  progress: ProgressSink,
): Promise<ComparisonRecord> {
  const started = new Date();
  await requireUsable(request.out);
  const runs = await openRuns(request.folders);
  const { common, leftOut } = commonLayers(runs);
  const pairs = pairsOf(runs.length).length;
  const counts = common.map(({ layer, groups }) => pairs * operatorCount(runs, layer, groups));
  progress.begin(
    'compare',
    counts.reduce((sum, count) => sum + count, 0),
    'overlap curves',
  );
  const comparisons: LayerComparison[] = [];
  let done = 0;
  for (const layer of common) {
    const top = request.top ?? defaultTop(layer);
    comparisons.push(
      await compareLayer(runs, layer, top, async () => {
        progress.update(++done);
        // Lets a signal of the user in.
        await setImmediate();
        signal.throwIfAborted();
      }),
    );
  }
  progress.end();
  const recorded: RecordedComparison = {
    options: { top: request.top ?? null, trajectory: request.trajectory },
    outputs: Math.max(...runs.map(({ facts }) => facts.outputs)),
    runs: runs.map(({ name, folder, facts }) => ({
      name,
      path: folder,
      model: facts.model.path,
      sha256: facts.model.sha256,
      loss: facts.loss,
      accuracy: facts.accuracy,
    })),
    layers: comparisons.map(summariseLayer),
    leftOut,
    warnings: [
      ...differences(runs),
      ...comparisons.flatMap(({ layer, notes }) =>
        notes.map((note) => `layer '${layer.layer}', ${note}`),
      ),
    ],
    timings: { started: started.toISOString(), totalMs: Date.now() - started.getTime() },
  };
  await makeFolder(request.out);
  await writeComparisonRecord(request.out, comparisonRecord('running', recorded));
  await writeTables(request, runs, comparisons);
  const record = comparisonRecord('finished', recorded);
  await writeComparisonRecord(request.out, record);
  return record;
}
