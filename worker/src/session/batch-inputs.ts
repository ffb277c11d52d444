// Fills a program's inputs for one batch of samples: data, labels, noise and weights.
import { BadInputError, InputRole, KronlensError, type ProgramInput } from '@kronlens/proto';
import { allocate, type Values } from '../data/convert.js';
import { RowReader } from '../data/row-reader.js';
import { SampleNoise } from '../random/sample-noise.js';
import type { LaidOutArray, ProgramJob, ProgramRun } from './program-job.js';
import type { Tensors } from './runtime-session.js';
import { runtimeTensor } from './tensor-types.js';

/** Fills one input's values for samples [first, first + count); later places of the batch are padding. */
type Fill = (into: Values, first: number, count: number) => Promise<void> | void;

export function arrayOf(input: ProgramInput, arrays: readonly LaidOutArray[]): LaidOutArray {
  const array = arrays.find(({ name }) => name === input.array);
  if (array === undefined) throw new KronlensError('bad-task', `array '${input.array}' is missing`);
  return array;
}

/** @throws BadInputError for the first label that is no class */
export function checkLabels(
  labels: Values,
  first: number,
  count: number,
  { classes: limit, ignoredLabel }: Pick<ProgramInput, 'classes' | 'ignoredLabel'>,
  array: LaidOutArray,
): void {
  const classes = Number(limit);
  const ignored = ignoredLabel === undefined ? undefined : Number(ignoredLabel);
  const perSample = labels.length / count;
  for (let i = 0; i < labels.length; i++) {
    // int64 labels come as bigints.
    const label = Number(labels[i] ?? 0);
    if ((label >= 0 && label < classes) || label === ignored) continue;
    const sample = first + Math.floor(i / perSample);
    const { path } = array.layout.source;
    throw new BadInputError(
      'bad-label',
      `${path}: the label of sample ${sample} in '${array.name}' is ${label}, but the model has ${classes} classes, 0 to ${classes - 1}${ignored === undefined ? '' : ` (ignored: ${ignored})`}`,
      { path, array: array.name, sample: String(sample), label: String(label) },
    );
  }
}

function fillRows(input: ProgramInput, batch: number, array: LaidOutArray): Fill {
  const reader = new RowReader(array.layout, input.type, array.scale);
  const length = reader.rowLength;
  return async (into, first, count) => {
    await reader.read(first, count, into);
    if (input.role === InputRole.LABEL && input.classes > 0n) {
      checkLabels(into.subarray(0, count * length), first, count, input, array);
    }
    // Padding repeats the last sample: any other filling might produce NaN, which weight 0 keeps.
    for (let place = count; place < batch; place++) {
      into.copyWithin(place * length, (count - 1) * length, count * length);
    }
  };
}

function fillNoise(input: ProgramInput, batch: number, seed: bigint): Fill {
  const noise = new SampleNoise(seed);
  const draws = Number(input.shape[0] ?? 1n);
  return (into, first, count) => {
    if (!(into instanceof Float32Array)) throw new RangeError(`'${input.name}' is not float32`);
    const length = into.length / (draws * batch);
    for (let draw = 0; draw < draws; draw++) {
      for (let place = 0; place < batch; place++) {
        const at = (draw * batch + place) * length;
        const values = into.subarray(at, at + length);
        const sample = first + Math.min(place, count - 1);
        if (input.role === InputRole.NORMAL) noise.normals(sample, draw, values);
        else noise.uniforms(sample, draw, values);
      }
    }
  };
}

function fillWeights(input: ProgramInput): Fill {
  return (into, _first, count) => {
    if (!(into instanceof Float32Array)) throw new RangeError(`'${input.name}' is not float32`);
    into.fill(1, 0, count).fill(0, count);
  };
}

function fillOf(input: ProgramInput, batch: number, job: ProgramJob): Fill {
  switch (input.role) {
    case InputRole.DATA:
    case InputRole.LABEL:
      return fillRows(input, batch, arrayOf(input, job.arrays));
    case InputRole.UNIFORM:
    case InputRole.NORMAL:
      return fillNoise(input, batch, job.seed);
    case InputRole.SAMPLE_WEIGHT:
      return fillWeights(input);
    case InputRole.PROBE:
    case InputRole.CAPTURED:
    case InputRole.PARAMETER:
    case InputRole.NOISE:
    case InputRole.OUTPUT_BASIS:
    case InputRole.INPUT_BASIS:
      throw new KronlensError('bad-program', `input '${input.name}' is not filled from data`);
    case InputRole.INPUT_ROLE_UNSPECIFIED:
      throw new KronlensError('bad-program', `input '${input.name}' has no role`);
  }
}

interface Slot {
  readonly values: Values;
  readonly tensor: Tensors[string];
}

interface Input {
  readonly name: string;
  readonly fill: Fill;
  readonly newSlot: () => Slot;
  /** Two where there are two batches: the next is read while the runtime uses this one. */
  readonly slots: Slot[];
}

/** The inputs of a program's batches; memory for two batches is allocated once. */
export class BatchInputs {
  readonly #inputs: readonly Input[];
  #slot = 0;

  constructor(job: ProgramJob, run: Pick<ProgramRun, 'program'>) {
    const { batch, inputs } = run.program;
    this.#inputs = inputs.map((input) => {
      const shape = input.shape.map(Number);
      const length = shape.reduce((product, size) => product * size, 1);
      const newSlot = () => {
        const values = allocate(input.type, length);
        return { values, tensor: runtimeTensor(input.type, values, shape) };
      };
      return { name: input.name, fill: fillOf(input, batch, job), newSlot, slots: [] };
    });
  }

  /**
   * The inputs for samples [first, first + count), padded to a full batch. They are valid until the
   * next call but one; calls must not overlap.
   * @throws DataError for rows that cannot be read or used; BadInputError for labels that are no class
   */
  async fill(first: number, count: number): Promise<Tensors> {
    this.#slot = 1 - this.#slot;
    const tensors: Record<string, Tensors[string]> = {};
    for (const { name, fill, newSlot, slots } of this.#inputs) {
      slots[this.#slot] ??= newSlot();
      const slot = slots[this.#slot] as Slot;
      await fill(slot.values, first, count);
      tensors[name] = slot.tensor;
    }
    return tensors;
  }
}
