// Lets the graph execute small models: every evaluation is one EvaluateTask.
import {
  create,
  EvaluateTaskSchema,
  KronlensError,
  type Task,
  type TaskResult,
  TaskSchema,
  TensorSchema,
} from '@kronlens/proto';
import type { DType, Evaluator, Tensor } from '../graph/index.js';
import { CODE_VERSION } from '../version.js';
import type { ConstantsFolder } from './constants-folder.js';
import { dtypeOf, elementTypeOf } from './element-types.js';

/** A tensor of a type that messages do not carry. */
class UncarriedTypeError extends KronlensError {
  constructor(name: string, dtype: DType) {
    super(
      'unsupported-precision',
      `the model's value '${name}' is ${dtype}; export it in float32`,
      {
        badInput: true,
      },
    );
  }
}

function feed(name: string, { dtype, shape, bytes }: Tensor) {
  const type = elementTypeOf(dtype);
  if (type === undefined) throw new UncarriedTypeError(name, dtype);
  return create(TensorSchema, { name, type, shape: shape.map(BigInt), data: bytes });
}

/**
 * @param execute runs one task on this machine; it is not recorded, and its failure is the caller's to handle
 * @param constants what models may refer to; the caller closes it
 */
export function taskEvaluator(
  execute: (task: Task) => Promise<TaskResult>,
  constants: ConstantsFolder,
): Evaluator {
  return {
    constants,
    async evaluate(model, feeds, fetch) {
      const value = create(EvaluateTaskSchema, {
        model,
        feeds: [...feeds].map(([name, tensor]) => feed(name, tensor)),
        fetch: [...fetch],
        folder: constants.folder,
      });
      const result = await execute(
        create(TaskSchema, { codeVersion: CODE_VERSION, kind: { case: 'evaluate', value } }),
      );
      const tensors = new Map<string, Tensor>();
      for (const { name, type, shape, data } of result.tensors) {
        const dtype = dtypeOf(type);
        if (dtype !== undefined)
          tensors.set(name, { dtype, shape: shape.map(Number), bytes: data });
      }
      const dtypes = new Map<string, DType>();
      for (const { name, type } of result.types) {
        const dtype = dtypeOf(type);
        if (dtype !== undefined) dtypes.set(name, dtype);
      }
      return { tensors, dtypes };
    },
  };
}
