// Finds the labels among the data's arrays and checks that they fit the loss.
import { BadInputError, create, type DataArray, DataArraySchema } from '@kronlens/proto';
import type { Logits, LossName } from '../programs/index.js';
import { formatDimensions, sampleCount, sampleShape, typeName } from './match-inputs.js';

/** The arrays of a data file that feed inputs, and its labels. */
export interface SplitData {
  readonly rest: readonly DataArray[];
  readonly labels: DataArray | undefined;
}

/**
 * Sets the array 'y' of a file with several arrays apart from the model's inputs.
 * @param inputs names of the model's inputs: an input of the name 'y' is no label
 */
export function splitLabels(arrays: readonly DataArray[], inputs: readonly string[]): SplitData {
  const labels = arrays.find((array) => array.member === 'y' && !inputs.includes('y'));
  return { labels, rest: arrays.filter((array) => array !== labels) };
}

/**
 * The labels of a file given as --labels: its array 'y', or the only one.
 * @throws BadInputError when there are several and none is 'y'
 */
export function labelsOfFile(arrays: readonly DataArray[], file: string): DataArray {
  const found = arrays.length === 1 ? arrays[0] : arrays.find(({ member }) => member === 'y');
  if (found !== undefined) return found;
  const names = arrays.map(({ name }) => `'${name}'`).join(', ');
  throw new BadInputError(
    'bad-data',
    `--labels ${file}: it holds the arrays ${names}; name the labels 'y'`,
  );
}

type Outputs = Pick<Logits, 'outputs' | 'tokens'>;

/** The shape of one sample's label that the loss wants, in words and as a check. */
function fits(loss: LossName, { outputs, tokens }: Outputs, shape: readonly number[]): boolean {
  if (tokens !== undefined) return shape.length === 1 && shape[0] === tokens;
  const values = shape.reduce((product, size) => product * size, 1);
  return loss === 'cross-entropy' ? values === 1 : values === outputs && shape.length <= 1;
}

/**
 * The labels as tasks name them: the array 'y', one row a sample.
 * @throws BadInputError when their shape, type or number does not fit
 */
export function checkLabels(
  labels: DataArray,
  loss: LossName,
  logits: Outputs,
  samples: number,
): DataArray {
  const { outputs, tokens } = logits;
  const who = `labels '${labels.member || labels.name}' of ${labels.path}`;
  const shape = sampleShape(labels);
  if (typeName(labels) === 'bool' && loss !== 'bce')
    throw new BadInputError('bad-labels', `${who} hold bool; --loss ${loss} wants numbers`);
  if (!fits(loss, logits, shape)) {
    const wanted =
      tokens !== undefined
        ? `${tokens} class indices a sample, one a token`
        : loss === 'cross-entropy'
          ? 'one class index a sample'
          : `${outputs} ${outputs === 1 ? 'value' : 'values'} a sample`;
    const hint =
      loss === 'cross-entropy' && shape.length === 1 && shape[0] === outputs
        ? ' (take the argmax of one-hot rows; bce and mse want one value an output)'
        : '';
    throw new BadInputError(
      'bad-labels',
      `${who} have shape ${formatDimensions(labels.shape.map(Number))}; --loss ${loss} wants ${wanted}${hint}`,
    );
  }
  if (sampleCount(labels) !== samples)
    throw new BadInputError(
      'bad-labels',
      `there are ${samples} samples, but ${sampleCount(labels)} ${who}`,
    );
  return create(DataArraySchema, { ...labels, name: 'y' });
}
