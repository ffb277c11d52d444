// The data of a step's batch: rows, labels, weights of padded samples, and rows that were projected beforehand.
import { ElementType, InputRole, KronlensError, type Program } from '@kronlens/proto';
import type { JobContext } from '../pool/serve-jobs.js';
import type { Tensors } from '../session/runtime-session.js';
import { runtimeTensor } from '../session/tensor-types.js';
import type { BatchPrograms } from './posterior-job.js';
import type { ProgramSession } from './program-session.js';
import type { SampleBatch, SampleRows } from './sample-rows.js';

const FLOAT_BYTES = 4;

export const isData = ({ role }: Program['inputs'][number]): boolean =>
  role === InputRole.DATA || role === InputRole.LABEL;

/** The data inputs of several programs, each once. */
export function dataInputs(programs: readonly Program[]): Program['inputs'] {
  const inputs = programs.flatMap((program) => program.inputs.filter(isData));
  return [...new Map(inputs.map((input) => [input.name, input])).values()];
}

/** Feeds for batches of one size. */
export class StepFeeds {
  readonly batch: number;
  readonly #rows: SampleBatch;
  readonly #wanted: ReadonlySet<string>;
  readonly #weight: { readonly name: string; readonly values: Float32Array } | undefined;
  readonly #tensors: Record<string, Tensors[string]> = {};

  constructor(program: Program, rows: SampleRows) {
    this.batch = program.batch;
    this.#rows = rows.batches(program.batch);
    this.#wanted = new Set(program.inputs.map(({ name }) => name));
    const weight = program.inputs.find(({ role }) => role === InputRole.SAMPLE_WEIGHT);
    if (weight !== undefined) {
      const values = new Float32Array(program.batch);
      this.#weight = { name: weight.name, values };
      this.#tensors[weight.name] = runtimeTensor(ElementType.FLOAT32, values, [program.batch]);
    }
  }

  /** Valid until the next call. */
  async of(samples: Uint32Array): Promise<Tensors> {
    const rows = await this.#rows.gather(samples);
    this.#weight?.values.fill(1, 0, samples.length).fill(0, samples.length);
    const wanted = Object.entries(rows).filter(([name]) => this.#wanted.has(name));
    return { ...Object.fromEntries(wanted), ...this.#tensors };
  }
}

/** Sessions and feeds for batches of both sizes. */
export interface BatchSide {
  readonly session: ProgramSession;
  readonly feeds: StepFeeds;
}

export interface BatchSides {
  readonly full: BatchSide;
  readonly tail: BatchSide | undefined;
}

/** @throws KronlensError when the last batch needs a program that is not there */
export async function openSides(
  programs: BatchPrograms,
  rows: SampleRows,
  open: (program: Program) => Promise<ProgramSession>,
): Promise<BatchSides> {
  const side = async (program: Program) => ({
    session: await open(program),
    feeds: new StepFeeds(program, rows),
  });
  const full = await side(programs.full);
  return { full, tail: programs.tail && (await side(programs.tail)) };
}

/** The side for so many samples. */
export function sideFor({ full, tail }: BatchSides, count: number): BatchSide {
  if (count === full.feeds.batch || tail === undefined) return full;
  if (count === tail.feeds.batch) return tail;
  throw new KronlensError(
    'bad-task',
    `there are programs for batches of ${full.feeds.batch} and ${tail.feeds.batch}, none for ${count} samples`,
  );
}

export async function releaseSides(sides: BatchSides | undefined): Promise<void> {
  await sides?.full.session.release();
  await sides?.tail?.session.release();
}

/** Consecutive batches of `size` of `order`; the last may be shorter. */
export function* batchesOf(order: Uint32Array, size: number): Generator<Uint32Array> {
  for (let first = 0; first < order.length; first += size)
    yield order.subarray(first, Math.min(first + size, order.length));
}

/** What a capture program gives for every sample, kept in memory where it fits. */
export class CapturedRows {
  readonly #sides: BatchSides;
  /** By name, all samples' rows. */
  readonly #kept: ReadonlyMap<string, Float32Array> | undefined;
  readonly #slots = new Map<number, Tensors>();

  private constructor(sides: BatchSides, kept: ReadonlyMap<string, Float32Array> | undefined) {
    this.#sides = sides;
    this.#kept = kept;
  }

  /** @param memoryBytes rows are kept up to here, else computed anew for every batch */
  static async open(
    sides: BatchSides,
    samples: number,
    memoryBytes: number,
    context: JobContext,
  ): Promise<CapturedRows> {
    const { outputs, batch } = sides.full.session.program;
    const lengths = outputs.map(({ name, shape }) => {
      const length = shape.slice(1).reduce((product, size) => product * Number(size), 1);
      return [name, length] as const;
    });
    const bytes = lengths.reduce((sum, [, length]) => sum + samples * length * FLOAT_BYTES, 0);
    if (bytes > memoryBytes) return new CapturedRows(sides, undefined);
    const kept = new Map(
      lengths.map(([name, length]) => [name, new Float32Array(samples * length)]),
    );
    const order = Uint32Array.from({ length: samples }, (_, sample) => sample);
    let done = 0;
    for (const some of batchesOf(order, batch)) {
      const side = sideFor(sides, some.length);
      await side.session.run(await side.feeds.of(some), context);
      for (const [name, length] of lengths) {
        const rows = side.session.named(name).subarray(0, some.length * length);
        kept.get(name)?.set(rows, done * length);
      }
      done += some.length;
    }
    return new CapturedRows(sides, kept);
  }

  /** The rows of some samples, padded to a batch of `size`; valid until the next call. */
  async of(samples: Uint32Array, size: number, context: JobContext): Promise<Tensors> {
    const side = sideFor(this.#sides, samples.length);
    const { outputs } = side.session.program;
    if (this.#kept === undefined) {
      await side.session.run(await side.feeds.of(samples), context);
      return Object.fromEntries(outputs.map(({ name }) => [name, side.session.tensor(name)]));
    }
    const slot = this.#slots.get(size) ?? this.#slot(size);
    for (const { name } of outputs) {
      const all = this.#kept.get(name);
      const into = slot[name]?.data;
      if (all === undefined || !(into instanceof Float32Array)) continue;
      const length = into.length / size;
      for (let place = 0; place < size; place++) {
        const sample = samples[Math.min(place, samples.length - 1)] as number;
        into.set(all.subarray(sample * length, (sample + 1) * length), place * length);
      }
    }
    return slot;
  }

  #slot(size: number): Tensors {
    const { outputs } = this.#sides.full.session.program;
    const slot = Object.fromEntries(
      outputs.map(({ name, shape }) => {
        const own = [size, ...shape.slice(1).map(Number)];
        const length = own.reduce((product, each) => product * each, 1);
        return [name, runtimeTensor(ElementType.FLOAT32, new Float32Array(length), own)];
      }),
    );
    this.#slots.set(size, slot);
    return slot;
  }
}
