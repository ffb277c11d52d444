// One part of an operator in a pool thread: its two sessions, its captured rows, and a product over one batch.
import { InputRole, KronlensError, type Program } from '@kronlens/proto';
import type { JobContext } from '../pool/serve-jobs.js';
import { BatchInputs } from '../session/batch-inputs.js';
import { discard } from '../session/discard.js';
import { findNonFinite, NonFiniteOutputError } from '../session/non-finite.js';
import { loadSession, runSession, type Session, type Tensors } from '../session/runtime-session.js';
import type { OperatorJob, OperatorPart } from './operator-job.js';

/** Inputs that come from the data set, not from a capture program or an iteration. */
function fromData({ inputs }: Program): Program['inputs'] {
  return inputs.filter(({ role }) => role !== InputRole.PROBE && role !== InputRole.CAPTURED);
}

/** A part in a thread. */
export class PartSessions {
  readonly part: OperatorPart;
  readonly batches: number;
  readonly #capture: Session | undefined;
  readonly #product: Session;
  readonly #captureInputs: BatchInputs | undefined;
  readonly #productInputs: BatchInputs | undefined;
  readonly #output: string;
  /** Captured rows of the batches, where they are kept. */
  readonly #kept: Tensors[] = [];

  private constructor(
    job: OperatorJob,
    part: OperatorPart,
    capture: Session | undefined,
    product: Session,
  ) {
    this.part = part;
    this.batches = Math.ceil(part.samples / part.product.batch);
    this.#capture = capture;
    this.#product = product;
    const inputs = (program: Program) => {
      const { firstSample, samples } = part;
      const run = { program: { ...program, inputs: fromData(program) }, firstSample, samples };
      return new BatchInputs({ ...job, runs: [] }, run);
    };
    this.#captureInputs = part.capture && inputs(part.capture);
    this.#productInputs = fromData(part.product).length > 0 ? inputs(part.product) : undefined;
    this.#output = job.output.name;
  }

  /** @throws RuntimeFailure when a model cannot be loaded, CancelledError */
  static async open(
    job: OperatorJob,
    part: OperatorPart,
    context: JobContext,
  ): Promise<PartSessions> {
    // Both at once: whoever has them may be busy while the first is loaded.
    const [captureModel, productModel] = await Promise.all([
      part.capture && context.artifact(part.capture.model),
      context.artifact(part.product.model),
    ]);
    const load = async (program: Program, model: Uint8Array) =>
      await context.native(() => loadSession(model, `program '${program.name}'`, true));
    const capture = part.capture && captureModel && (await load(part.capture, captureModel));
    try {
      return new PartSessions(job, part, capture, await load(part.product, productModel));
    } catch (error) {
      await capture?.release();
      throw error;
    }
  }

  /** The samples of a batch. */
  #samplesOf(batch: number): { readonly first: number; readonly count: number } {
    const { firstSample, samples, product } = this.part;
    const past = batch * product.batch;
    return { first: firstSample + past, count: Math.min(product.batch, samples - past) };
  }

  /** Captures the rows of all batches and keeps them. */
  async keepAll(context: JobContext): Promise<void> {
    for (let batch = 0; batch < this.batches; batch++) {
      this.#kept.push(await this.captured(batch, context));
    }
  }

  /**
   * The rows of a batch as the product takes them.
   * @throws DataError, BadInputError, RuntimeFailure, NonFiniteOutputError, CancelledError
   */
  async captured(batch: number, context: JobContext): Promise<Tensors> {
    const kept = this.#kept[batch];
    if (kept !== undefined) return kept;
    const { capture } = this.part;
    const [session, inputs] = [this.#capture, this.#captureInputs];
    if (capture === undefined || session === undefined || inputs === undefined) return {};
    const { first, count } = this.#samplesOf(batch);
    const feeds = await inputs.fill(first, count);
    const into = Object.fromEntries(capture.outputs.map(({ name }) => [name, null]));
    const subject = `program '${capture.name}'`;
    const rows = await context.native(() => runSession(session, feeds, into, subject));
    for (const output of capture.outputs) {
      const data = rows[output.name]?.data;
      if (!(data instanceof Float32Array || data instanceof Float64Array)) {
        throw new KronlensError('bad-program', `${subject} has no rows '${output.name}'`);
      }
      const bad = findNonFinite(data);
      if (bad !== undefined) throw new NonFiniteOutputError(output, bad, first, count);
    }
    return rows;
  }

  /** Other inputs of the product, from the data set. */
  async data(batch: number): Promise<Tensors> {
    const { first, count } = this.#samplesOf(batch);
    return (await this.#productInputs?.fill(first, count)) ?? {};
  }

  /**
   * The product's sum over a batch.
   * @param feeds all its inputs
   * @param into memory for the output
   */
  async multiply(feeds: Tensors, into: Tensors[string], context: JobContext): Promise<void> {
    const subject = `program '${this.part.product.name}'`;
    const outputs = { [this.#output]: into };
    const results = await context.native(() => runSession(this.#product, feeds, outputs, subject));
    discard(results, outputs);
  }

  async release(): Promise<void> {
    this.#kept.length = 0;
    await this.#capture?.release();
    await this.#product.release();
  }
}
