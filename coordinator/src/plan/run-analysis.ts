// Runs an analysis from end to end: checks, one pass over the data, decompositions, result files.
import { withPairs } from '../merge/layer-factors.js';
import { planFactors } from '../programs/index.js';
import type { RunSummary } from '../report/summary.js';
import { AnalysisWork, findingsOf, STAGES, takeFactors, writeTables } from './analysis/index.js';
import type { Engine } from './engine.js';
import { type FactorStage, runFactorStage } from './factor-stage.js';
import { KFOC_PASSES, runKfoc } from './kfoc-stage.js';
import { leaveFolder } from './leave-folder.js';
import {
  inFolderOfRun,
  inspectOutputFolder,
  type OutputFolder,
  prepareOutputFolder,
  tidyOutputFolder,
} from './output-folder.js';
import { type AnalysisRequest, type PreparedRun, prepareRun } from './prepare-run.js';
import type { ProgressSink } from './progress-sink.js';
import { RunClock } from './run-clock.js';
import { RunKeeper } from './run-keeper.js';
import type { RunRecord } from './run-record.js';
import { stageRunner } from './run-stage.js';

export interface AnalysisOutcome {
  readonly record: RunRecord;
  /** The folder held the finished run already; nothing was done. */
  readonly wasFinished: boolean;
}

/**
 * @throws UsageError, BadInputError and other KronlensErrors; CancelledError when interrupted.
 *   The result folder then says in run.json that the run is not finished, and can be resumed.
 */
export async function runAnalysis(
  request: AnalysisRequest,
  engine: Engine,
  progress: ProgressSink,
): Promise<AnalysisOutcome> {
  const { execution } = request;
  const clock = new RunClock();
  const look = () => inspectOutputFolder(execution.out, execution.resume);
  const found = await look();
  const prepared = await clock.timed('open', () => prepareRun(request, engine));
  return await inFolderOfRun(found, look, prepared.identity, (folder) =>
    runIn(folder, prepared, request, engine, clock, progress),
  );
}

/** Runs in a folder that no other process uses. */
async function runIn(
  folder: OutputFolder,
  prepared: PreparedRun,
  request: AnalysisRequest,
  engine: Engine,
  clock: RunClock,
  progress: ProgressSink,
): Promise<AnalysisOutcome> {
  const { options, execution } = request;
  if (folder.previous?.status === 'finished') {
    await tidyOutputFolder(folder.path);
    return { record: folder.previous, wasFinished: true };
  }
  for (const warning of prepared.warnings) progress.note(`warning: ${warning}`);
  const { model, layers, factorOptions, data } = prepared;
  const { batch, memoryBytes } = options;
  const plan = await clock.timed('plan', () =>
    planFactors(model, layers, factorOptions, { samples: data.samples, batch, memoryBytes }),
  );
  const keeper = new RunKeeper(folder, request, prepared, plan, clock);
  try {
    await prepareOutputFolder(folder.path);
    await keeper.begin();
    const stage = {
      plan,
      arrays: data.arrays,
      samples: data.samples,
      seed: options.seed,
      shard: execution.shard,
    };
    const record = await runStages(request, prepared, stage, engine, { keeper, clock }, progress);
    await tidyOutputFolder(folder.path);
    return { record, wasFinished: false };
  } catch (error) {
    progress.end();
    // Running tasks may still store results.
    await engine.queue.idle();
    await leaveFolder(folder, error, (cause) => keeper.fail(cause));
    throw error;
  }
}

async function runStages(
  { options, execution }: AnalysisRequest,
  run: PreparedRun,
  stage: FactorStage,
  engine: Engine,
  { keeper, clock }: { readonly keeper: RunKeeper; readonly clock: RunClock },
  progress: ProgressSink,
): Promise<RunRecord> {
  const { seen } = keeper;
  const { out: folder, shard } = execution;
  const during = stageRunner(engine, progress, clock);
  const merged = await during('factors', stage.samples, 'samples', (shown) =>
    runFactorStage(engine, stage, shown, seen),
  );
  const work = new AnalysisWork({ engine, run, options, folder, shard, seen });
  const { folds } = stage.plan;
  if (options.sharing === 'kfoc')
    await during('kfoc', stage.samples * KFOC_PASSES * run.layers.length, 'samples', (shown) =>
      takeFactors(work, merged, folds, async (layer, factors) => {
        const { groups } = factors;
        const pairs = await runKfoc(engine, work.passSetting, layer, groups, shown, seen);
        return withPairs(factors, pairs);
      }),
    );
  else
    await clock.timed('write', () =>
      takeFactors(work, merged, folds, async (_layer, factors) => factors),
    );
  for (const { name, unit, ...each } of STAGES) {
    const total = each.total(work);
    if (total > 0) await during(name, total, unit, (shown) => each.run(work, shown));
  }
  await writeTables(work);
  return await keeper.finish(findingsOf(work));
}

/** What the command line shows at the end. */
export function summaryOf(record: RunRecord, out: string): RunSummary {
  return {
    model: record.model.path,
    out,
    samples: record.resolved.samples,
    lossName: record.resolved.loss,
    loss: record.loss,
    accuracy: record.accuracy,
    elapsedMs: record.timings.totalMs,
    layers: record.layers,
    blocks: record.blocks ?? [],
    skipped: record.skipped,
    warnings: record.warnings,
    fullHessian: record.fullHessian ?? null,
    notes: record.notes,
  };
}
