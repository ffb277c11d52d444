// Finds tasks in the work queue that the server will never hand out: it forgot, when it was killed, that they had left.
import { setTimeout as sleep } from 'node:timers/promises';
import {
  type NatsLink,
  TASK_CLASSES,
  TASK_STREAM,
  type TaskClass,
  taskConsumer,
  taskSubject,
} from '@kronlens/proto/nats';
import { CODE_VERSION } from '../version.js';

/**
 * Removes a task from the work queue when it is one of these. A killed nats-server writes down that
 * a task was acknowledged, but not always that its message is gone; the message then keeps its
 * subject from being used again.
 * @returns whether it was removed
 */
export async function removeIfStuck(
  link: NatsLink,
  place: TaskClass,
  taskId: string,
): Promise<boolean> {
  return await link.call('looking for a stuck task', async () => {
    const subject = taskSubject(place, CODE_VERSION, taskId);
    const message = await link.jsm.streams.getMessage(TASK_STREAM, { last_by_subj: subject });
    if (message === null) return true;
    const consumer = taskConsumer(place, CODE_VERSION);
    const info = await link.jsm.consumers.info(TASK_STREAM, consumer);
    const { delivered, ack_floor: floor, num_ack_pending: pending } = info;
    const isOver =
      message.seq <= floor.stream_seq || (pending === 0 && message.seq <= delivered.stream_seq);
    if (isOver) await link.jsm.streams.deleteMessage(TASK_STREAM, message.seq);
    return isOver;
  });
}

/** Acknowledgements that are under way have arrived after so long. */
const SETTLED_MS = 500;

/**
 * Removes what is stuck in the work queue, of whatever run: one that was killed cannot do it. What waits or
 * is in a worker's hands is not touched.
 */
export async function removeLeftovers(link: NatsLink): Promise<void> {
  const before = await queuedTasks(link);
  if (before.size === 0) return;
  await sleep(SETTLED_MS);
  // One that is acknowledged at this very moment is gone when it is to be removed.
  for (const [subject, { place, id }] of await queuedTasks(link))
    if (before.has(subject)) await removeIfStuck(link, place, id).catch(() => {});
}

/** Tasks in the work queue by subject. */
async function queuedTasks(link: NatsLink) {
  const found = new Map<string, { readonly place: TaskClass; readonly id: string }>();
  for (const place of TASK_CLASSES) {
    const subjects_filter = taskSubject(place, CODE_VERSION, '*');
    const { state } = await link.jsm.streams.info(TASK_STREAM, { subjects_filter });
    for (const subject of Object.keys(state.subjects ?? {}))
      found.set(subject, { place, id: subject.split('.').at(-1) ?? '' });
  }
  return found;
}

/**
 * Takes a task out of the work queue. By its number and not by a purge of its subject, by which a
 * server (2.9) forgets what else the consumer has handed out.
 */
export async function withdraw(link: NatsLink, place: TaskClass, taskId: string): Promise<void> {
  const subject = taskSubject(place, CODE_VERSION, taskId);
  const message = await link.jsm.streams.getMessage(TASK_STREAM, { last_by_subj: subject });
  if (message !== null) await link.jsm.streams.deleteMessage(TASK_STREAM, message.seq);
}
