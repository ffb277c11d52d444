// Bytes of tasks, programs and results, and the identity of a task.
import { createHash } from 'node:crypto';
import {
  clone,
  type DescMessage,
  fromBinary,
  type MessageShape,
  toBinary,
} from '@bufbuild/protobuf';
import { KronlensError } from '../errors/kronlens-error.js';
import { type Program, ProgramSchema } from '../gen/kronlens/v1/program_pb.js';
import {
  type Task,
  type TaskResult,
  TaskResultSchema,
  TaskSchema,
} from '../gen/kronlens/v1/task_pb.js';
import type { DataArray } from '../gen/kronlens/v1/tensor_pb.js';

/** Bytes that should be a message are none. */
export class MalformedMessageError extends KronlensError {
  constructor(what: string, cause: unknown) {
    super('malformed-message', `these bytes are no ${what}`, { cause });
  }
}

/** The message in bytes. @throws MalformedMessageError */
export function decode<S extends DescMessage>(
  schema: S,
  what: string,
  bytes: Uint8Array,
): MessageShape<S> {
  try {
    return fromBinary(schema, bytes);
  } catch (cause) {
    throw new MalformedMessageError(what, cause);
  }
}

export const encodeTask = (task: Task): Uint8Array => toBinary(TaskSchema, task);
/** @throws MalformedMessageError */
export function decodeTask(bytes: Uint8Array): Task {
  const task = decode(TaskSchema, 'task', bytes);
  if (task.kind.case === undefined)
    throw new MalformedMessageError('task', new Error('it has no kind'));
  return task;
}

export const encodeProgram = (program: Program): Uint8Array => toBinary(ProgramSchema, program);
/** @throws MalformedMessageError */
export const decodeProgram = (bytes: Uint8Array): Program =>
  decode(ProgramSchema, 'program', bytes);

export const encodeResult = (result: TaskResult): Uint8Array => toBinary(TaskResultSchema, result);
/** @throws MalformedMessageError */
export const decodeResult = (bytes: Uint8Array): TaskResult =>
  decode(TaskResultSchema, 'task result', bytes);

/**
 * SHA-256 (hex) of all that determines the task's result. Where data lie and how often a task leaves checkpoints
 * is left out, what the data are (their digest) is not. Our messages have no maps or unknown fields here, so the encoding is
 * deterministic.
 */
export function taskId(task: Task): string {
  const bare = clone(TaskSchema, task);
  for (const array of dataArraysOf(bare)) array.path = '';
  if (bare.kind.case === 'posterior') delete bare.kind.value.checkpointSeconds;
  return createHash('sha256').update(toBinary(TaskSchema, bare)).digest('hex');
}

/** Under which id it is recorded where a task stands that is not done yet. */
export function checkpointId(taskId: string): string {
  return createHash('sha256').update(`checkpoint of task ${taskId}`).digest('hex');
}

/** The data arrays that a task reads. */
export function dataArraysOf({ kind }: Task): readonly DataArray[] {
  switch (kind.case) {
    case 'program':
    case 'posterior':
    case 'posteriorDraws':
      return kind.value.arrays;
    case 'curvature':
      return kind.value.operator?.arrays ?? [];
    default:
      return [];
  }
}
