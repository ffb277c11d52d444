// Runs `kronlens bound` from end to end: checks, posteriors of all variants, their errors, result files.
import { join } from 'node:path';
import {
  BOUND_HISTORY,
  BOUNDS,
  type BoundHistoryRow,
  type BoundRow,
  CancelledError,
  decodeBundle,
  encodeTable,
  type ParameterBasis,
  POSTERIOR_KL,
  type PosteriorKlRow,
  writeFileAtomic,
} from '@kronlens/proto';
import type { Engine } from '../engine.js';
import { leaveFolder } from '../leave-folder.js';
import {
  inFolderOfRun,
  inspectOutputFolder,
  type OutputFolder,
  prepareOutputFolder,
  tidyOutputFolder,
} from '../output-folder.js';
import type { ProgressSink } from '../progress-sink.js';
import { RunClock } from '../run-clock.js';
import { type RunStage, stageRunner } from '../run-stage.js';
import { findBases, type OutputOperator } from './basis-stage.js';
import type { BoundRequest, Variant } from './bound-options.js';
import { type BoundFindings, BoundKeeper, type BoundRecord } from './bound-record.js';
import { boundOf, boundRow, klRows } from './bound-rows.js';
import { evaluatePosterior, trainedError } from './draws-stage.js';
import { drownedPosteriors } from './drowned.js';
import { Leftovers } from './leftovers.js';
import { posteriorParts } from './posterior-parts.js';
import {
  type PosteriorPrograms,
  type PosteriorState,
  storePrograms,
  storeShared,
} from './posterior-programs.js';
import { optimisePosterior, type PosteriorSetting } from './posterior-stage.js';
import { type PreparedBound, prepareBound } from './prepare-bound.js';
import { shownEpoch } from './shown-epoch.js';
import { PosteriorWriter } from './write-posterior.js';

export interface BoundOutcome {
  readonly record: BoundRecord;
  /** The folder held the finished run already; nothing was done. */
  readonly wasFinished: boolean;
}

/**
 * @throws UsageError, BadInputError and other KronlensErrors; CancelledError when interrupted. The
 *   result folder then says in run.json that the run is not finished, and can be resumed.
 */
export async function runBound(
  request: BoundRequest,
  engine: Engine,
  progress: ProgressSink,
): Promise<BoundOutcome> {
  const { execution } = request;
  const clock = new RunClock();
  const look = () => inspectOutputFolder<BoundRecord>(execution.out, execution.resume, 'bound');
  const found = await look();
  const prepared = await clock.timed('open', () => prepareBound(request, engine));
  return await inFolderOfRun(found, look, prepared.identity, (folder) =>
    runIn(folder, prepared, request, engine, clock, progress),
  );
}

/** Runs in a folder that no other process uses. */
async function runIn(
  folder: OutputFolder<BoundRecord>,
  prepared: PreparedBound,
  request: BoundRequest,
  engine: Engine,
  clock: RunClock,
  progress: ProgressSink,
): Promise<BoundOutcome> {
  if (folder.previous?.status === 'finished') {
    await tidyOutputFolder(folder.path);
    return { record: folder.previous, wasFinished: true };
  }
  for (const warning of prepared.warnings) progress.note(`warning: ${warning}`);
  const keeper = new BoundKeeper(folder, request, prepared, clock);
  await prepareOutputFolder(folder.path);
  await keeper.begin();
  const run = new BoundRun(request, prepared, engine, keeper, clock, progress);
  try {
    const found = await run.results();
    for (const warning of found.warnings) progress.note(`warning: ${warning}`);
    const record = await keeper.finish(found);
    await tidyOutputFolder(folder.path);
    return { record, wasFinished: false };
  } catch (error) {
    progress.end();
    // Running tasks may still store results: the last epochs that went well can be resumed from.
    await engine.queue.idle();
    if (!(error instanceof CancelledError)) await run.writeHistory();
    await leaveFolder(folder, error, (cause) => keeper.fail(cause), run.hasEpochs);
    throw error;
  }
}

/** One run on its way: what the variants share, and what has been found so far. */
class BoundRun {
  readonly #request: BoundRequest;
  readonly #prepared: PreparedBound;
  readonly #engine: Engine;
  readonly #keeper: BoundKeeper;
  readonly #during: RunStage;
  readonly #progress: ProgressSink;
  readonly #history = new Map<Variant, BoundHistoryRow[]>();

  constructor(
    request: BoundRequest,
    prepared: PreparedBound,
    engine: Engine,
    keeper: BoundKeeper,
    clock: RunClock,
    progress: ProgressSink,
  ) {
    this.#request = request;
    this.#prepared = prepared;
    this.#engine = engine;
    this.#keeper = keeper;
    this.#during = stageRunner(engine, progress, clock);
    this.#progress = progress;
  }

  /** Optimises and evaluates all variants and writes the files. */
  async results(): Promise<BoundFindings> {
    const { options, execution } = this.#request;
    const setting = await this.#setting();
    const kinds = new Map<boolean, Promise<PosteriorPrograms>>();
    const programsOf = (variant: Variant): Promise<PosteriorPrograms> => {
      const rotated = variant !== 'base';
      const found =
        kinds.get(rotated) ?? storePrograms(this.#engine, this.#prepared, options, rotated);
      kinds.set(rotated, found);
      return found;
    };
    const { variants, epochs } = options;
    const posteriors = await this.#during(
      'posterior',
      variants.length * epochs,
      'epochs',
      (shown) =>
        together(variants, async (variant) => {
          const programs = await programsOf(variant);
          return await optimisePosterior(setting, variant, programs, shown, (rows) =>
            this.#tell(variant, rows),
          );
        }),
    );
    const draws = options.mcSamples + 1;
    const testDraws = Math.min(options.testDraws, options.mcSamples) + 1;
    const total =
      variants.length * (draws + (this.#prepared.test === undefined ? 0 : testDraws)) + 1;
    const [trainError, errors] = await this.#during('errors', total, 'draws', async (shown) => {
      const own = trainedError(setting, shown);
      const all = together(variants, async (variant, index) => {
        const posterior = posteriors[index] as PosteriorState;
        const programs = await programsOf(variant);
        const of = (which: 'train' | 'test') =>
          evaluatePosterior(setting, posterior, programs, which, shown);
        const [train, test] = await Promise.all([of('train'), of('test')]);
        if (train === undefined) throw new Error('there is always a training set');
        return { train, test };
      });
      const [ofTrained, ofAll] = await Promise.allSettled([own, all]);
      return [settledValue(ofTrained), settledValue(ofAll)] as const;
    });
    const { parameters, prior, data } = this.#prepared;
    const rows: BoundRow[] = [];
    const kl: PosteriorKlRow[] = [];
    for (const [index, variant] of variants.entries()) {
      const { state, bases } = posteriors[index] as PosteriorState;
      const { train, test } = errors[index] as (typeof errors)[number];
      const bundle = decodeBundle(await this.#engine.store.get(state));
      const posterior = posteriorParts(bundle, parameters, prior);
      const found = boundOf(posterior, train, data.samples, options);
      rows.push(boundRow(variant, found, train, test, data.samples, options));
      kl.push(...klRows(variant, posterior, parameters, found));
      const writer = new PosteriorWriter(this.#engine, execution.out, variant, parameters);
      await writer.write(posterior.parts, parameters, bases);
    }
    await this.#write(BOUNDS.name, encodeTable(BOUNDS, rows));
    await this.#write(POSTERIOR_KL.name, encodeTable(POSTERIOR_KL, kl));
    await this.writeHistory();
    const { outputs } = this.#prepared.model.logits;
    const trained = { trainError, classes: Math.max(outputs, 2) };
    const warnings = drownedPosteriors(rows, trained, options.firstScale);
    return { bounds: rows, trainedTrainError: trainError, warnings };
  }

  /** Whether some epochs have been done, which are worth keeping. */
  get hasEpochs(): boolean {
    return this.#history.size > 0;
  }

  /** Writes bound_history.arrow as far as the run got; nothing where it did not get anywhere. */
  async writeHistory(): Promise<void> {
    const rows = this.#request.options.variants.flatMap(
      (variant) => this.#history.get(variant) ?? [],
    );
    if (rows.length > 0) await this.#write(BOUND_HISTORY.name, encodeTable(BOUND_HISTORY, rows));
  }

  async #setting(): Promise<PosteriorSetting> {
    const { options: chosen, execution } = this.#request;
    const options = { ...chosen, checkpointSeconds: execution.checkpointSeconds };
    const { memoryBytes } = options;
    const { seen } = this.#keeper;
    const [engine, run] = [this.#engine, this.#prepared];
    const bases = new Map<OutputOperator, Promise<readonly ParameterBasis[]>>();
    const shared = await storeShared(engine, run, options);
    return {
      engine,
      run,
      options,
      shared,
      seen,
      leftovers: new Leftovers(engine.store, options.variants),
      trainedBases: (operator) => {
        const found =
          bases.get(operator) ?? findBases(engine, run, run.model, { operator, memoryBytes }, seen);
        bases.set(operator, found);
        return found;
      },
    };
  }

  /** Takes the epochs of a finished task. */
  #tell(variant: Variant, rows: readonly BoundHistoryRow[]): void {
    const known = this.#history.get(variant) ?? [];
    known.push(...rows);
    this.#history.set(variant, known);
    const last = rows.at(-1);
    if (last === undefined) return;
    this.#progress.detail?.(shownEpoch(last));
  }

  async #write(name: string, bytes: Uint8Array): Promise<void> {
    await writeFileAtomic(join(this.#request.execution.out, `${name}.arrow`), bytes);
  }
}

/** Works on all items at a time; waits for all of them even when one fails. */
async function together<T, R>(
  items: readonly T[],
  work: (item: T, index: number) => Promise<R>,
): Promise<readonly R[]> {
  const settled = await Promise.allSettled(items.map(work));
  return settled.map(settledValue);
}

function settledValue<T>(outcome: PromiseSettledResult<T>): T {
  if (outcome.status === 'rejected') throw outcome.reason;
  return outcome.value;
}
