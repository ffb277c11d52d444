// run.json of a bound: what was asked, of what, which bounds came out, and how long it took.
import type { BoundRow, TaskResult } from '@kronlens/proto';
import { confidence } from '../../bound/index.js';
import { VERSION } from '../../version.js';
import type { OutputFolder } from '../output-folder.js';
import type { RunClock } from '../run-clock.js';
import {
  HardwareLog,
  RECORD_FORMAT,
  type Recorded,
  type RecordHead,
  runTimings,
  writeFailure,
  writeRecord,
} from '../run-record.js';
import type { BoundOptions, BoundRequest } from './bound-options.js';
import type { PreparedBound } from './prepare-bound.js';

export interface BoundRecord extends RecordHead<Recorded<BoundOptions>> {
  readonly command: 'bound';
  readonly opset: number;
  readonly outputs: number;
  readonly resolved: {
    readonly loss: string;
    /** N. */
    readonly samples: number;
    readonly testSamples: number | null;
    /** d: entries of all parameters. */
    readonly parameters: number;
    /** One minus delta and delta'. */
    readonly confidence: number;
  };
  /** Share of training samples that the trained network has wrong; null until the run is finished. */
  readonly trainedTrainError: number | null;
  /** What the numbers are, in words. */
  readonly definitions: Readonly<Record<string, string>>;
  /** As in bounds.arrow; empty until the run is finished. */
  readonly bounds: readonly BoundRow[];
  readonly warnings: readonly string[];
  readonly versions: Readonly<Record<string, string>>;
  readonly hardware: readonly Readonly<Record<string, string>>[];
}

/** What a run ends with. */
export interface BoundFindings extends Pick<BoundRecord, 'bounds' | 'trainedTrainError'> {
  /** About the bounds; those that were known at the beginning are not among them. */
  readonly warnings: readonly string[];
}

const NOTHING_YET: BoundFindings = { bounds: [], trainedTrainError: null, warnings: [] };

const DEFINITIONS = {
  bound: 'kl^-1(snn_error | BRE), with probability confidence above the true 0-1 error of Q',
  BRE: '[KL(Q || P) + 2 log j + log(pi^2 N / (6 delta))] / (N - 1), lambda = c exp(-j/b), j >= 1',
  snn_error: "kl^-1(train_error | log(2 / delta') / mc_samples)",
  train_error: 'mean over mc_samples weights drawn from Q of the share of wrong training samples',
  prior: 'P = N(theta_0, lambda I)',
  posterior:
    'Q = N(w, diag(exp(2 s))), diagonal in the standard basis (base) or in the Kronecker eigenbasis of [E[M], E[x x^T]] of each layer, biases in that of E[M]',
  surrogate: 'cross-entropy in nats; one logit: logistic loss / ln 2',
};

/** Writes the record of one run as it goes along. */
export class BoundKeeper {
  readonly #folder: OutputFolder<BoundRecord>;
  readonly #request: BoundRequest;
  readonly #prepared: PreparedBound;
  readonly #clock: RunClock;
  readonly #hardware = new HardwareLog();

  constructor(
    folder: OutputFolder<BoundRecord>,
    request: BoundRequest,
    prepared: PreparedBound,
    clock: RunClock,
  ) {
    this.#folder = folder;
    this.#request = request;
    this.#prepared = prepared;
    this.#clock = clock;
  }

  /** Notes what computed a task. */
  get seen(): (result: TaskResult) => void {
    return this.#hardware.seen;
  }

  /** @throws DiskFullError */
  async begin(): Promise<void> {
    await writeRecord(this.#folder.path, this.#record('running', NOTHING_YET));
  }

  /** @throws DiskFullError */
  async finish(found: BoundFindings): Promise<BoundRecord> {
    const record = this.#record('finished', found);
    await writeRecord(this.#folder.path, record);
    return record;
  }

  async fail(error: unknown): Promise<void> {
    const message = error instanceof Error ? error.message : String(error);
    await writeFailure(this.#folder.path, {
      ...this.#record('failed', NOTHING_YET),
      error: message,
    });
  }

  #record(status: BoundRecord['status'], found: BoundFindings): BoundRecord {
    const { options, execution } = this.#request;
    const { model, loss, data, test, trained, identity, warnings } = this.#prepared;
    const { previous } = this.#folder;
    return {
      format: RECORD_FORMAT,
      command: 'bound',
      status,
      ...identity,
      opset: model.opset,
      outputs: model.logits.outputs,
      resolved: {
        loss,
        samples: data.samples,
        testSamples: test?.samples ?? null,
        parameters: trained.reduce((sum, { values }) => sum + values.length, 0),
        confidence: confidence(options),
      },
      trainedTrainError: found.trainedTrainError,
      definitions: DEFINITIONS,
      bounds: found.bounds,
      warnings: [...warnings, ...found.warnings],
      versions: { kronlens: VERSION, node: process.version },
      hardware: this.#hardware.distinct,
      timings: runTimings(status, previous, this.#clock, execution),
    };
  }
}
