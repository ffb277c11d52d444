// Keeps run.json: what is known at the start, what comes in, how the run ends.
import type { TaskResult } from '@kronlens/proto';
import { normalisations } from '../merge/normalisation.js';
import type { FactorPlan } from '../programs/index.js';
import { VERSION } from '../version.js';
import type { OutputFolder } from './output-folder.js';
import type { AnalysisRequest, PreparedRun } from './prepare-run.js';
import type { RunClock } from './run-clock.js';
import {
  HardwareLog,
  RECORD_FORMAT,
  type RunRecord,
  runTimings,
  writeFailure,
  writeRecord,
} from './run-record.js';

/** What a run finds out, beside its files. */
export type Findings = Pick<
  RunRecord,
  'loss' | 'accuracy' | 'layers' | 'blocks' | 'fullHessian' | 'notes' | 'countedTokens'
>;

const NOTHING: Findings = { loss: null, accuracy: null, layers: [], notes: [] };

const SEED_USES = {
  exact: 'not used',
  empirical: 'not used',
  classwise: 'not used',
  mc: 'labels drawn from the predictions, by sample index, token and draw',
  sketch: "random signs in a sketch of the loss's Hessian, by sample index, token and draw",
} as const;

/** Writes the record of one run as it goes along. */
export class RunKeeper {
  readonly #folder: OutputFolder;
  readonly #request: AnalysisRequest;
  readonly #prepared: PreparedRun;
  readonly #plan: FactorPlan;
  readonly #clock: RunClock;
  readonly #hardware = new HardwareLog();

  constructor(
    folder: OutputFolder,
    request: AnalysisRequest,
    prepared: PreparedRun,
    plan: FactorPlan,
    clock: RunClock,
  ) {
    this.#clock = clock;
    this.#folder = folder;
    this.#request = request;
    this.#prepared = prepared;
    this.#plan = plan;
  }

  /** Notes what computed a task. */
  get seen(): (result: TaskResult) => void {
    return this.#hardware.seen;
  }

  /** @throws DiskFullError */
  async begin(): Promise<void> {
    await writeRecord(this.#folder.path, this.#record('running', NOTHING));
  }

  /** @throws DiskFullError */
  async finish(findings: Findings): Promise<RunRecord> {
    const record = this.#record('finished', findings);
    await writeRecord(this.#folder.path, record);
    return record;
  }

  /** Says in the record that the run failed. */
  async fail(error: unknown): Promise<void> {
    const message = error instanceof Error ? error.message : String(error);
    await writeFailure(this.#folder.path, { ...this.#record('failed', NOTHING), error: message });
  }

  #record(status: RunRecord['status'], findings: Findings): RunRecord {
    const { options, execution } = this.#request;
    const { model, data, factorOptions, identity, skipped, warnings } = this.#prepared;
    const { tokens } = factorOptions;
    const { previous } = this.#folder;
    return {
      format: RECORD_FORMAT,
      command: 'analyze',
      status,
      ...identity,
      opset: model.opset,
      outputs: model.logits.outputs,
      resolved: {
        loss: factorOptions.loss,
        samples: data.samples,
        batch: this.#plan.batch,
        programs: this.#plan.programs.length,
        ...(tokens === undefined ? {} : { tokensPerSample: tokens.count }),
      },
      seeds: {
        seed: options.seed,
        use: SEED_USES[factorOptions.columns.kind],
      },
      normalisations: normalisations(factorOptions),
      skipped,
      warnings,
      versions: { kronlens: VERSION, node: process.version },
      hardware: this.#hardware.distinct,
      ...findings,
      timings: runTimings(status, previous, this.#clock, execution),
    };
  }
}
