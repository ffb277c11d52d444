// Models of the zoo (scripts/make-model-zoo.py) beside what PyTorch says of them: names of layers, gradients.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Evaluator } from '../graph/index.js';
import { type OpenedModel, openModel } from '../programs/index.js';
import type { Width } from './node-tests/widen.js';
import { readNpz } from './npz-file.js';
import { weightGradients } from './weight-gradients.js';

interface ZooFile {
  readonly exporter: string;
  /** Undefined where the exporter failed. */
  readonly file?: string;
  readonly failure?: string;
  /** Convolutions that the file has with their normalisation folded into them. */
  readonly folded?: readonly string[];
  /** Those normalisations. */
  readonly gone?: readonly string[];
  /** Parameters that the exporter has computed with, so that the file has the results alone. */
  readonly absent?: readonly string[];
  /** Relative errors of PyTorch's own float32 gradients where they are notable, by parameter: the largest of some networks that differ from this one by rounding. */
  readonly float32?: Readonly<Record<string, number>>;
}

export interface ZooEntry {
  readonly folder: string;
  readonly samples: number;
  readonly loss: number;
  /** Modules that multiply by a weight. */
  readonly layers: readonly { readonly name: string; readonly weight: string }[];
  readonly parameters: readonly {
    readonly name: string;
    readonly offset: number;
    readonly count: number;
  }[];
  readonly models: readonly ZooFile[];
}

export interface ZooReport {
  readonly model: OpenedModel;
  readonly named: number;
  /** Modules that no layer is called after, but for those whose weight the file does not have. */
  readonly missing: readonly string[];
  /** Layers that are called like no module. */
  readonly unknown: readonly string[];
  /** Relative errors of gradients, in the Euclidean norm, by parameter. */
  readonly errors: ReadonlyMap<string, number>;
  /** PyTorch's parameters that the file should have and that no gradient was found of. */
  readonly unmatched: readonly string[];
}

/** Gradients of less than this share of the largest one are rounding: keys' biases have none, for example. */
const ZERO = 1e-5;

export function readZooEntry(folder: string): ZooEntry {
  return { ...JSON.parse(readFileSync(join(folder, 'expected.json'), 'utf8')), folder };
}

/** Opens one file of an entry and compares it with PyTorch. */
export async function checkZooModel(
  entry: ZooEntry,
  { file = '', gone = [], absent = [], ...contents }: ZooFile,
  evaluator: Evaluator,
): Promise<ZooReport> {
  const model = await openModel(join(entry.folder, file), evaluator);
  const found = model.layers.layers.map(({ name }) => name);
  const expected = entry.layers
    .filter(({ weight }) => !absent.includes(weight))
    .map(({ name }) => name);
  const errors = await gradientErrors(entry, contents, model, evaluator);
  const lost = new Set([...absent, ...gone.flatMap((name) => [`${name}.weight`, `${name}.bias`])]);
  const computed = model.layers.layers.filter((layer) => layer.computed);
  /** What a weight that is computed is computed from. */
  const isBehind = (name: string) =>
    !name.endsWith('.bias') && computed.some((layer) => name.startsWith(`${layer.name}.`));
  /** Tied parameters share a place. */
  const matched = new Set(
    entry.parameters.filter(({ name }) => errors.has(name)).map(({ offset }) => offset),
  );
  return {
    model,
    named: expected.filter((name) => found.includes(name)).length,
    missing: expected.filter((name) => !found.includes(name)),
    unknown: found.filter((name) => !entry.layers.some((layer) => layer.name === name)),
    errors,
    unmatched: entry.parameters
      .filter(({ name, offset }) => !name.endsWith('@folded') && !matched.has(offset))
      .map(({ name }) => name)
      .filter((name) => !lost.has(name) && !isBehind(name)),
  };
}

/** PyTorch's float64 gradients of what a file has, by PyTorch's names of the parameters. */
export function fileGradients(
  entry: ZooEntry,
  { folded = [] }: Pick<ZooFile, 'folded'>,
): (name: string) => Float32Array | undefined {
  const gradients = readFileSync(join(entry.folder, 'gradients.bin'));
  const read = (name: string): Float32Array | undefined => {
    const place = entry.parameters.find((parameter) => parameter.name === name);
    if (place === undefined) return undefined;
    const bytes = gradients.subarray(4 * place.offset, 4 * (place.offset + place.count));
    return new Float32Array(Uint8Array.from(bytes).buffer);
  };
  return (name) => {
    const [, module = '', part = ''] = /^(.*)\.(weight|bias)$/.exec(name) ?? [];
    return (folded.includes(module) ? read(`${module}.${part}@folded`) : undefined) ?? read(name);
  };
}

/**
 * Relative errors of the gradients that the model's reverse mode gives, by PyTorch's name of the parameter.
 * @param evaluator runs the gradient program
 * @param width the precision in which it is run
 */
export async function gradientErrors(
  entry: ZooEntry,
  contents: Pick<ZooFile, 'folded'>,
  model: OpenedModel,
  evaluator: Evaluator,
  width: Width = 'float32',
): Promise<ReadonlyMap<string, number>> {
  const arrays = readNpz(join(entry.folder, 'data.npz'));
  const ofFile = fileGradients(entry, contents);
  const weights = new Map(entry.layers.map(({ name, weight }) => [`${name}.weight`, weight]));
  const own = await weightGradients(model, arrays, evaluator, width);
  const pairs = own.flatMap(({ parameter, gradient }) => {
    const name = weights.get(parameter.name) ?? parameter.name;
    const wanted = ofFile(name);
    return wanted === undefined ? [] : [{ name, gradient, wanted }];
  });
  const largest = Math.max(...pairs.map(({ wanted }) => norm(wanted)));
  const errors = new Map<string, number>();
  for (const { name, gradient, wanted } of pairs) {
    const error =
      wanted.length === gradient.length
        ? norm(wanted.map((value, index) => value - (gradient[index] ?? Number.NaN)))
        : Number.NaN;
    errors.set(name, error / Math.max(norm(wanted), ZERO * largest));
  }
  return errors;
}

/** What is demanded of the gradients' relative errors. */
export const GRADIENT_TOLERANCE = 1e-4;
/** Of those in float64, where float32 is off: the stored gradients are float32 numbers. */
export const DOUBLE_TOLERANCE = 1e-6;
/** In float32 a gradient may be off by so many times what PyTorch's own float32 gradient is off by. */
const AS_PYTORCH = 2;

/**
 * What is wrong with a gradient in float32, if anything is. Beyond `GRADIENT_TOLERANCE` it is right where float32 itself
 * cannot decide, since some ReLU's input is within rounding of the kink: PyTorch's own float32 gradient is then
 * off alike, and the same program agrees with PyTorch's float64 gradient once its values are float64.
 * @param own relative error of PyTorch's float32 gradient; 0 where it is not notable
 * @param double relative error of the program in float64; undefined where it was not run
 */
export function gradientComplaint(
  error: number,
  own: number,
  double: number | undefined,
): string | undefined {
  if (error <= GRADIENT_TOLERANCE) return undefined;
  const off = `is off by ${error.toExponential(1)}`;
  if (double === undefined) return off;
  if (!(double <= DOUBLE_TOLERANCE)) return `${off}, in float64 by ${double.toExponential(1)}`;
  return error <= AS_PYTORCH * own
    ? undefined
    : `${off}, PyTorch's in float32 only by ${own.toExponential(1)}`;
}

function norm(values: ArrayLike<number>): number {
  let sum = 0;
  for (let index = 0; index < values.length; index += 1) sum += (values[index] ?? Number.NaN) ** 2;
  return Math.sqrt(sum);
}
