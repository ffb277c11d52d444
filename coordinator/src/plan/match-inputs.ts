// Finds the arrays of the data that feed the model's inputs: by name, else by shape and type.
import {
  BadInputError,
  create,
  type DataArray,
  DataArraySchema,
  ElementType,
} from '@kronlens/proto';
import type { DType } from '../graph/index.js';
import type { ModelInput, OpenedInput } from '../programs/index.js';
import { dtypeOf } from './element-types.js';

export interface MatchedInputs {
  /** One array per input of the model, named after it. */
  readonly arrays: readonly DataArray[];
  /** Samples of every array. */
  readonly samples: number;
  /** What was read in another shape than it is stored in, for the user to know. */
  readonly notes: readonly string[];
}

const FLOATS = new Set<DType>(['float32', 'float64', 'float16']);
/** What a floating-point input may be stored as: floats, and integers that pixels come in. */
const STORED_FLOATS = new Set<ElementType>([
  ElementType.FLOAT16,
  ElementType.FLOAT32,
  ElementType.FLOAT64,
  ElementType.UINT8,
  ElementType.INT8,
  ElementType.UINT16,
  ElementType.INT16,
]);

/** The shape of one sample. */
export function sampleShape(array: DataArray): readonly number[] {
  return array.shape.slice(1).map(Number);
}

/** For people: `float32`. */
export function typeName(array: DataArray): string {
  return dtypeOf(array.type) ?? 'unknown';
}

/** For people: `[1, 28, 28]`, a size that is left open as `?`. */
export function formatDimensions(shape: readonly (number | null)[]): string {
  return `[${shape.map((size) => size ?? '?').join(', ')}]`;
}

const elements = (shape: readonly number[]) => shape.reduce((product, size) => product * size, 1);

type Shape = readonly (number | null)[];

/**
 * Whether rows of one shape hold the values of another in the same order beyond doubt: equal up to
 * axes of size 1 (MNIST's [28, 28] for [1, 28, 28]), or one of them is flat. A size that the model
 * leaves open fits any.
 */
function sameRows(stored: readonly number[], wanted: Shape): boolean {
  const fits = (a: readonly number[], b: Shape) =>
    a.length === b.length && a.every((size, axis) => size === (b[axis] ?? size));
  if (fits(stored, wanted)) return true;
  if (wanted.includes(null)) return false;
  const [a, b] = [stored, wanted as readonly number[]].map((shape) =>
    shape.filter((size) => size !== 1),
  ) as [number[], number[]];
  if (fits(a, b)) return true;
  return (a.length <= 1 || b.length <= 1) && elements(a) === elements(b);
}

function fitsType(stored: ElementType, dtype: DType): boolean {
  if (FLOATS.has(dtype)) return STORED_FLOATS.has(stored);
  const kind = dtypeOf(stored);
  if (dtype === 'bool') return kind === 'bool';
  return kind !== undefined && !FLOATS.has(kind) && kind !== 'bool';
}

/** The reason why the array cannot feed the input; undefined where it can. */
function misfit(array: DataArray, input: ModelInput): string | undefined {
  const shape = sampleShape(array);
  if (!sameRows(shape, input.shape))
    return (
      `data '${array.name}' has samples of shape ${formatDimensions(shape)}, ` +
      `the model's input '${input.name}' wants ${formatDimensions(input.shape)}`
    );
  if (!fitsType(array.type, input.dtype))
    return `data '${array.name}' holds ${typeName(array)}, the model's input '${input.name}' wants ${input.dtype}`;
  return undefined;
}

const listed = (names: readonly string[]) => names.map((name) => `'${name}'`).join(', ');

/** The input's array among several, for inputs that no array is named like. */
function byShape(input: ModelInput, free: readonly DataArray[], file: string): DataArray {
  const fitting = free.filter((array) => misfit(array, input) === undefined);
  const [only] = fitting;
  if (only !== undefined && fitting.length === 1) return only;
  const why =
    fitting.length === 0
      ? `none of its arrays ${free.length === 0 ? 'is left' : `(${listed(free.map(({ name }) => name))}) fits`}`
      : `${listed(fitting.map(({ name }) => name))} fit equally`;
  throw new BadInputError(
    'bad-data',
    `${file} has no array named '${input.name}' for the model's input of that name ` +
      `(${input.dtype}, samples of shape ${formatDimensions(input.shape)}), and ${why}; ` +
      'name the arrays like the inputs',
  );
}

/** @throws BadInputError */
function pick<Input extends ModelInput>(
  inputs: readonly Input[],
  arrays: readonly DataArray[],
  file: string,
): ReadonlyMap<Input, DataArray> {
  const named = new Map(arrays.map((array) => [array.name, array]));
  const chosen = new Map<Input, DataArray>();
  for (const input of inputs) {
    const array = named.get(input.name);
    if (array !== undefined) chosen.set(input, array);
  }
  const open = inputs.filter((input) => !chosen.has(input));
  const taken = () => new Set(chosen.values());
  for (const input of open) {
    // A lone input takes 'x', or the only array that there is, whatever its shape: the error that
    // follows then speaks of that array.
    const free = arrays.filter((array) => !taken().has(array));
    const lone =
      open.length === 1 ? (named.get('x') ?? (free.length === 1 ? free[0] : undefined)) : undefined;
    chosen.set(input, lone ?? byShape(input, free, file));
  }
  for (const [input, array] of chosen) {
    const reason = misfit(array, input);
    if (reason !== undefined) throw new BadInputError('bad-data', `${file}: ${reason}`);
  }
  return chosen;
}

/**
 * The shape of one sample of each input, sizes that the model leaves open taken from the data.
 * @param arrays of the data file, without the labels
 * @throws BadInputError when an input finds no array, or one of another shape or type
 */
export function sampleShapes(
  inputs: readonly ModelInput[],
  arrays: readonly DataArray[],
  file: string,
): ReadonlyMap<string, readonly number[]> {
  const shapes = new Map<string, readonly number[]>();
  for (const [input, array] of pick(inputs, arrays, file))
    if (input.shape.includes(null)) shapes.set(input.name, sampleShape(array));
  return shapes;
}

/**
 * @param arrays of the data file, without the labels
 * @param scale values of floating-point inputs are multiplied by it
 * @param file the data file, for messages
 * @throws BadInputError when an input finds no array, or one of another shape, type or sample count
 */
export function matchInputs(
  inputs: readonly OpenedInput[],
  arrays: readonly DataArray[],
  scale: number | undefined,
  file: string,
): MatchedInputs {
  const chosen = pick(inputs, arrays, file);
  const notes: string[] = [];
  const matched: DataArray[] = [];
  for (const input of inputs) {
    const array = chosen.get(input);
    if (array === undefined) throw new Error(`input '${input.name}' was not matched`);
    const shape = sampleShape(array);
    if (formatDimensions(shape) !== formatDimensions(input.shape))
      notes.push(
        `data '${array.name}' with samples of shape ${formatDimensions(shape)} is read as ${formatDimensions(input.shape)}`,
      );
    const named = create(DataArraySchema, { ...array, name: input.name });
    if (scale !== undefined && FLOATS.has(input.dtype)) named.scale = scale;
    matched.push(named);
  }
  const [first] = matched;
  if (first === undefined)
    throw new BadInputError('no-input', 'the model has no input that data could feed');
  const samples = sampleCount(first);
  for (const array of matched) {
    if (sampleCount(array) !== samples)
      throw new BadInputError(
        'bad-data',
        `${file}: data '${array.member || array.name}' has ${sampleCount(array)} samples, '${first.member || first.name}' has ${samples}`,
      );
  }
  if (samples === 0) throw new BadInputError('bad-data', `${file}: it holds no samples`);
  return { arrays: matched, samples, notes };
}

/** The length of the first axis. */
export function sampleCount(array: DataArray): number {
  return Number(array.shape[0] ?? 0);
}
