// Takes tasks from the work queue, one at a time for each slot that is free.
import {
  ClusterMissingError,
  type NatsLink,
  TASK_STREAM,
  taskConsumer,
} from '@kronlens/proto/nats';
import { type Msg, nanos } from '@nats-io/transport-node';
import { Delivery } from './delivery.js';

/** How long the server lets a request for a task wait. */
const WAIT_MS = 2000;
const CONSUMER_DELETED = /consumer deleted|consumer not found|no responders/i;

/** The queue of one code version. */
export class TaskSource {
  readonly #link: NatsLink;
  readonly #consumer: string;

  constructor(link: NatsLink, codeVersion: string) {
    this.#link = link;
    this.#consumer = taskConsumer('cpu', codeVersion);
  }

  /**
   * How long a task stays ours without a word, in ms.
   * @throws ClusterMissingError when no coordinator has set up the server for this version
   */
  async ackWaitMs(): Promise<number> {
    const { config } = await this.#link.call('looking at the queue', () =>
      this.#link.jsm.consumers.info(TASK_STREAM, this.#consumer),
    );
    return Math.max(100, (config.ack_wait ?? 0) / 1e6);
  }

  /**
   * The next task; undefined when none came for some seconds.
   * @throws ClusterMissingError when the queue is gone
   */
  async next(): Promise<Delivery | undefined> {
    const subject = `$JS.API.CONSUMER.MSG.NEXT.${TASK_STREAM}.${this.#consumer}`;
    const request = JSON.stringify({ batch: 1, expires: nanos(WAIT_MS) });
    // The server answers when the time is over; nobody is there when it has no such consumer. A task
    // comes under its own subject, which the shared inbox of requests could not attribute: no mux.
    const message = await this.#link.call('taking a task', () =>
      this.#link.connection
        .request(subject, request, { timeout: WAIT_MS + 10_000, noMux: true })
        .catch((error: unknown) => {
          if (error instanceof Error && CONSUMER_DELETED.test(error.message)) return undefined;
          throw error;
        }),
    );
    if (message === undefined) throw new ClusterMissingError(this.#link.url);
    return this.#deliveryOf(message);
  }

  #deliveryOf(message: Msg): Delivery | undefined {
    const code = message.headers?.code ?? 0;
    if (code === 0) return new Delivery(this.#link, message);
    if (CONSUMER_DELETED.test(message.headers?.description ?? ''))
      throw new ClusterMissingError(this.#link.url);
    return undefined;
  }
}
