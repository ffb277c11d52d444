// Passes on how far tasks are to the runs that they belong to, a few times a second.
import { create, type Progress } from '@kronlens/proto';
import {
  encodeTaskEvent,
  eventSubject,
  type NatsLink,
  TaskEventSchema,
} from '@kronlens/proto/nats';

const LEAST_PAUSE_MS = 250;

/** Knows which run asked for which task. */
export class ProgressEvents {
  readonly #link: NatsLink;
  readonly #worker: string;
  readonly #running = new Map<string, { readonly run: string; sentMs: number }>();

  constructor(link: NatsLink, worker: string) {
    this.#link = link;
    this.#worker = worker;
  }

  begin(taskId: string, run: string): void {
    this.#running.set(taskId, { run, sentMs: 0 });
  }

  end(taskId: string): void {
    this.#running.delete(taskId);
  }

  readonly report = (progress: Progress): void => {
    const { taskId } = progress;
    const found = this.#running.get(taskId);
    const now = performance.now();
    if (found === undefined || now - found.sentMs < LEAST_PAUSE_MS) return;
    if (this.#link.connection.isClosed()) return;
    found.sentMs = now;
    const event = create(TaskEventSchema, {
      taskId,
      worker: this.#worker,
      what: { case: 'progress', value: progress },
    });
    this.#link.connection.publish(eventSubject(found.run, taskId), encodeTaskEvent(event));
  };
}
