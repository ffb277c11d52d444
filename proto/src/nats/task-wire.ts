// Bytes of the messages between coordinator and workers; tasks too large for a message go by reference.
import { create, toBinary } from '@bufbuild/protobuf';
import {
  type Dispatch,
  DispatchSchema,
  type TaskEvent,
  TaskEventSchema,
} from '../gen/kronlens/v1/cluster_pb.js';
import type { Task } from '../gen/kronlens/v1/task_pb.js';
import {
  decode,
  decodeTask,
  encodeTask,
  MalformedMessageError,
  taskId,
} from '../messages/codec.js';
import type { ArtifactStore } from '../store/artifact-store.js';
import type { TaskNeeds } from './placement.js';

/** Larger tasks are stored as artifacts. */
const MOST_INLINE = 512 * 1024;
/** No task is as large. */
const MOST_STORED = 64 * 2 ** 20;

/** The message by which a task travels. */
export async function encodeDispatch(
  task: Task,
  where: { readonly run: string; readonly store: string },
  needs: TaskNeeds,
  store: ArtifactStore,
): Promise<Uint8Array> {
  const bytes = encodeTask(task);
  const cargo = bytes.length <= MOST_INLINE ? { task } : { taskArtifact: await store.put(bytes) };
  const device = needs.device;
  const memoryBytes = BigInt(Math.ceil(needs.memoryBytes));
  return toBinary(
    DispatchSchema,
    create(DispatchSchema, { ...where, device, memoryBytes, ...cargo }),
  );
}

/** @throws MalformedMessageError */
export const decodeDispatch = (bytes: Uint8Array): Dispatch =>
  decode(DispatchSchema, 'dispatched task', bytes);

/** What the task of a dispatch needs of a worker. */
export const dispatchNeeds = ({ device, memoryBytes }: Dispatch): TaskNeeds => ({
  device,
  memoryBytes: Number(memoryBytes),
});

/**
 * The task of a dispatch.
 * @param id what the message's subject says that it is
 * @throws MalformedMessageError when it is none, or another; the store's errors
 */
export async function dispatchedTask(
  dispatch: Dispatch,
  id: string,
  store: ArtifactStore,
): Promise<Task> {
  const task =
    dispatch.taskArtifact === '' ? dispatch.task : await storedTask(dispatch.taskArtifact, store);
  if (task?.kind.case === undefined)
    throw new MalformedMessageError('dispatched task', new Error('it holds no task'));
  if (taskId(task) !== id)
    throw new MalformedMessageError('dispatched task', new Error(`it is not task ${id}`));
  return task;
}

async function storedTask(artifact: string, store: ArtifactStore): Promise<Task> {
  const bytes = await store.get(artifact);
  if (bytes.length > MOST_STORED)
    throw new MalformedMessageError('task', new Error(`it has ${bytes.length} bytes`));
  return decodeTask(bytes);
}

export const encodeTaskEvent = (event: TaskEvent): Uint8Array => toBinary(TaskEventSchema, event);
/** @throws MalformedMessageError */
export const decodeTaskEvent = (bytes: Uint8Array): TaskEvent =>
  decode(TaskEventSchema, 'task event', bytes);
