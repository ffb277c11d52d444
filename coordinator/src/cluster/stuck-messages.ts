// Finds tasks in the work queue that the server will never hand out: it forgot, when it was killed, that they had left.
import { type ArtifactStore, isContentId } from '@kronlens/proto';
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

/** Removes what is left in the work queue of tasks that have their results or were acknowledged, of whatever run. */
export async function removeLeftovers(link: NatsLink, store: ArtifactStore): Promise<void> {
  for (const place of TASK_CLASSES) {
    const subjects_filter = taskSubject(place, CODE_VERSION, '*');
    const { state } = await link.jsm.streams.info(TASK_STREAM, { subjects_filter });
    for (const filter of Object.keys(state.subjects ?? {})) {
      const id = filter.split('.').at(-1) ?? '';
      if (!isContentId(id)) continue;
      // The artifacts of a result may be gone already, as those of sums that were merged.
      if ((await store.getResult(id)) === undefined) await removeIfStuck(link, place, id);
      else await link.jsm.streams.purge(TASK_STREAM, { filter });
    }
  }
}
