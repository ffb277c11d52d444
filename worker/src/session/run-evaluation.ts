// Runs a model once on given tensors in a pool thread, as it stands in its file.
import {
  create,
  ElementType,
  type EvaluateTask,
  type Tensor,
  type ValueType,
  ValueTypeSchema,
} from '@kronlens/proto';
import type ort from 'onnxruntime-node';
import type { JobContext } from '../pool/serve-jobs.js';
import { loadSession, runSession } from './runtime-session.js';
import { elementTypeOf, fromMessage, toMessage } from './tensor-types.js';

export interface Evaluation {
  /** The fetched outputs. */
  readonly tensors: Tensor[];
  /** The element types of all outputs; unspecified for text and sequences. */
  readonly types: ValueType[];
}

/** @throws RuntimeFailure when the model cannot be loaded or run */
export async function runEvaluation(task: EvaluateTask, context: JobContext): Promise<Evaluation> {
  const subject = 'the model';
  const session = await context.native(() => loadSession(task.model, subject, false, task.folder));
  try {
    const feeds: Record<string, ort.Tensor> = {};
    for (const tensor of task.feeds) feeds[tensor.name] = fromMessage(tensor);
    const into = Object.fromEntries(task.fetch.map((name) => [name, null]));
    const results: Readonly<Record<string, ort.Tensor>> =
      task.fetch.length === 0
        ? {}
        : await context.native(() => runSession(session, feeds, into, subject));
    return {
      tensors: task.fetch.flatMap((name) => {
        const tensor = results[name];
        return tensor === undefined ? [] : [toMessage(name, tensor)];
      }),
      types: session.outputMetadata.map((value) =>
        create(ValueTypeSchema, {
          name: value.name,
          type: value.isTensor ? elementTypeOf(value.type) : ElementType.ELEMENT_TYPE_UNSPECIFIED,
        }),
      ),
    };
  } finally {
    await session.release();
  }
}
