// Opens the data of a run through a task and matches them to the model.
import {
  BadInputError,
  create,
  type DataArray,
  DescribeDataTaskSchema,
  type Task,
  TaskSchema,
} from '@kronlens/proto';
import type { LossName } from '../programs/index.js';
import { CODE_VERSION } from '../version.js';
import { type ModelInput, matchInputs } from './match-inputs.js';
import { checkLabels, labelsOfFile, splitLabels } from './match-labels.js';
import type { Queue } from './queue.js';

export interface DataRequest {
  readonly data: string;
  /** A file of labels of its own. */
  readonly labels: string | undefined;
  readonly scale: number | undefined;
  /** The first so many samples; undefined: all. */
  readonly samples: number | undefined;
  readonly inputs: readonly ModelInput[];
  readonly loss: LossName;
  /** Outputs of the model for one sample. */
  readonly outputs: number;
}

export interface RunData {
  /** One per input of the model, then the labels as "y" where there are any. */
  readonly arrays: readonly DataArray[];
  readonly hasLabels: boolean;
  /** Samples that the run uses. */
  readonly samples: number;
  readonly notes: readonly string[];
}

/** @throws the executor's error when the file cannot be read or is of no known format */
async function describe(queue: Queue, path: string): Promise<readonly DataArray[]> {
  const value = create(DescribeDataTaskSchema, { paths: [path] });
  const task: Task = create(TaskSchema, {
    codeVersion: CODE_VERSION,
    kind: { case: 'describeData', value },
  });
  return (await queue.submit(task)).arrays;
}

/** @throws BadInputError when the data do not fit the model or the loss */
export async function openRunData(queue: Queue, request: DataRequest): Promise<RunData> {
  const { data, inputs, loss, outputs } = request;
  const split = splitLabels(
    await describe(queue, data),
    inputs.map(({ name }) => name),
  );
  const labels =
    request.labels === undefined
      ? split.labels
      : labelsOfFile(await describe(queue, request.labels), request.labels);
  const matched = matchInputs(inputs, split.rest, request.scale, data);
  const available = matched.samples;
  const samples = request.samples ?? available;
  if (samples > available)
    throw new BadInputError(
      'too-few-samples',
      `--samples ${samples} is more than the ${available} samples of ${data}`,
    );
  const checked = labels && checkLabels(labels, loss, outputs, available);
  return {
    arrays: checked === undefined ? matched.arrays : [...matched.arrays, checked],
    hasLabels: checked !== undefined,
    samples,
    notes: matched.notes,
  };
}
