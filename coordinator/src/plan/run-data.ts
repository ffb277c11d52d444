// The data of a run: describes the files through tasks and matches their arrays to the model.
import {
  BadInputError,
  create,
  type DataArray,
  DescribeDataTaskSchema,
  TaskSchema,
} from '@kronlens/proto';
import type { LossName, ModelInput, OpenedModel } from '../programs/index.js';
import { CODE_VERSION } from '../version.js';
import { matchInputs, sampleShapes } from './match-inputs.js';
import { checkLabels, labelsOfFile, splitLabels } from './match-labels.js';
import type { Queue } from './queue.js';

/** Files of a run, as the user names them. */
export interface DataRequest {
  readonly data: string;
  /** A file of labels of its own. */
  readonly labels: string | undefined;
}

export interface RunData {
  /** One per input of the model, then the labels as "y" where there are any. */
  readonly arrays: readonly DataArray[];
  readonly hasLabels: boolean;
  /** Samples that the run uses. */
  readonly samples: number;
  readonly notes: readonly string[];
}

/** Opens the files when they are first needed. */
export class DataSource {
  readonly #queue: Queue;
  readonly #request: DataRequest;
  readonly #described = new Map<string, Promise<readonly DataArray[]>>();

  constructor(queue: Queue, request: DataRequest) {
    this.#queue = queue;
    this.#request = request;
  }

  /** @throws the executor's error when the file cannot be read or is of no known format */
  #describe(path: string): Promise<readonly DataArray[]> {
    const known = this.#described.get(path);
    if (known !== undefined) return known;
    const value = create(DescribeDataTaskSchema, { paths: [path] });
    const task = create(TaskSchema, {
      codeVersion: CODE_VERSION,
      kind: { case: 'describeData', value },
    });
    const described = this.#queue.submit(task).then(({ arrays }) => arrays);
    this.#described.set(path, described);
    return described;
  }

  async #split(inputs: readonly { readonly name: string }[]) {
    const names = inputs.map(({ name }) => name);
    return splitLabels(await this.#describe(this.#request.data), names);
  }

  /** Shapes of samples for the inputs whose sizes the model leaves open. @throws BadInputError */
  async sampleShapes(inputs: readonly ModelInput[]) {
    if (!inputs.some(({ shape }) => shape.includes(null)))
      return new Map<string, readonly number[]>();
    return sampleShapes(inputs, (await this.#split(inputs)).rest, this.#request.data);
  }

  /**
   * @param options the scale of input values, and the first so many samples
   * @throws BadInputError when the data do not fit the model or the loss
   */
  async match(
    model: OpenedModel,
    loss: LossName,
    options: { readonly scale: number | undefined; readonly samples: number | undefined },
  ): Promise<RunData> {
    const { data, labels: labelFile } = this.#request;
    const split = await this.#split(model.inputs);
    const labels =
      labelFile === undefined
        ? split.labels
        : labelsOfFile(await this.#describe(labelFile), labelFile);
    const matched = matchInputs(model.inputs, split.rest, options.scale, data);
    const available = matched.samples;
    const samples = options.samples ?? available;
    if (samples > available)
      throw new BadInputError(
        'too-few-samples',
        `--samples ${samples} is more than the ${available} samples of ${data}`,
      );
    const checked = labels && checkLabels(labels, loss, model.logits, available);
    return {
      arrays: checked === undefined ? matched.arrays : [...matched.arrays, checked],
      hasLabels: checked !== undefined,
      samples,
      notes: matched.notes,
    };
  }
}
