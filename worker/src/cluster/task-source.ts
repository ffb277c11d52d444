// Takes tasks from the work queue: pull requests of as many tasks as there is room for.
import {
  ClusterMissingError,
  type NatsLink,
  TASK_STREAM,
  type TaskClass,
  taskConsumer,
} from '@kronlens/proto/nats';
import { type Msg, nanos, type Subscription } from '@nats-io/transport-node';
import { Delivery } from './delivery.js';

/**
 * How long the server lets a request for tasks wait, about. The oldest request gets the next task: were all
 * as long, a worker that has to pass a large task on could be the first whenever it comes again.
 */
const WAIT_MS = 2000;
const randomWait = () => WAIT_MS * (0.5 + Math.random());
/** After so much longer an answer will not come any more. */
const GRACE_MS = 3000;
const GONE = /consumer deleted|consumer not found|no responders/i;
const NO_RESPONDERS = 503;

/** Who is told of what comes. */
export interface TaskSink {
  take(delivery: Delivery): void;
  /** A request is over; there may be room for another. */
  ready(): void;
  /** The queue is not there (any more), or we may not ask. */
  failed(error: unknown): void;
}

/** The queue of one code version. */
export class TaskSource {
  readonly #link: NatsLink;
  readonly #consumers: readonly string[];
  readonly #requests = new Set<PullRequest>();

  /** @param classes of the tasks that are taken, the scarcest first */
  constructor(link: NatsLink, codeVersion: string, classes: readonly TaskClass[]) {
    this.#link = link;
    this.#consumers = classes.map((name) => taskConsumer(name, codeVersion));
    void this.#watch();
  }

  /** The server forgets requests when the connection breaks; what is sent until it is back gets lost. */
  async #watch(): Promise<void> {
    for await (const { type } of this.#link.connection.status())
      if (type === 'disconnect' || type === 'reconnect')
        for (const request of this.#requests) request.end();
  }

  /**
   * How long a task stays ours without a word, in ms.
   * @throws ClusterMissingError when no coordinator has set up the server for this version
   */
  async ackWaitMs(): Promise<number> {
    const infos = await this.#link.call('looking at the queue', () =>
      Promise.all(this.#consumers.map((name) => this.#link.jsm.consumers.info(TASK_STREAM, name))),
    );
    const waits = infos.map(({ config }) => (config.ack_wait ?? 0) / 1e6);
    return Math.max(100, Math.min(...waits));
  }

  /**
   * Asks for tasks of each class, so that up to `room` of it may come. When several classes have tasks
   * at once more come than there is room for; those that get no turn are handed back.
   * @param least fewer are not asked for
   */
  fill(room: number, least: number, sink: TaskSink): void {
    for (const consumer of this.#consumers) {
      const count = room - this.#expected(consumer);
      if (count >= least) this.#request(consumer, count, sink);
    }
  }

  /** Tasks that were asked for and may still come. */
  #expected(consumer: string): number {
    let sum = 0;
    for (const request of this.#requests) if (request.consumer === consumer) sum += request.left;
    return sum;
  }

  #request(consumer: string, count: number, sink: TaskSink): void {
    const request = new PullRequest(this.#link, consumer, count, {
      message: (message) => sink.take(new Delivery(this.#link, message)),
      end: (error) => {
        this.#requests.delete(request);
        if (error !== undefined) sink.failed(error);
        sink.ready();
      },
    });
    this.#requests.add(request);
  }

  /** Takes all requests back. Resolves when what the server has sent already has come. */
  async close(): Promise<void> {
    await Promise.all([...this.#requests].map((request) => request.takeBack()));
  }
}

interface Listener {
  message(message: Msg): void;
  end(error?: unknown): void;
}

/** One pull request: its tasks come to an inbox of its own, under their own subjects. */
class PullRequest {
  /** Tasks that may still come. */
  left: number;
  readonly consumer: string;
  readonly #subscription: Subscription;
  readonly #timer: NodeJS.Timeout;
  readonly #listener: Listener;
  readonly #url: string;
  #isOver = false;

  constructor(link: NatsLink, consumer: string, count: number, listener: Listener) {
    this.left = count;
    this.consumer = consumer;
    this.#listener = listener;
    this.#url = link.url;
    const { connection } = link;
    const reply = link.newInbox();
    this.#subscription = connection.subscribe(reply, {
      callback: (error, message) => (error === null ? this.#hear(message) : this.end(error)),
    });
    const wait = randomWait();
    this.#timer = setTimeout(() => this.end(), wait + GRACE_MS);
    const subject = `$JS.API.CONSUMER.MSG.NEXT.${TASK_STREAM}.${consumer}`;
    const body = JSON.stringify({ batch: count, expires: nanos(Math.round(wait)) });
    connection.publish(subject, body, { reply });
  }

  #hear(message: Msg): void {
    const code = message.headers?.code ?? 0;
    if (code === 0) {
      this.left -= 1;
      this.#listener.message(message);
      if (this.left === 0) this.end();
    } else if (code === NO_RESPONDERS || GONE.test(message.headers?.description ?? '')) {
      this.end(new ClusterMissingError(this.#url));
    } else {
      this.end();
    }
  }

  end(error?: unknown): void {
    if (this.#isOver) return;
    this.#isOver = true;
    clearTimeout(this.#timer);
    this.#subscription.unsubscribe();
    this.#listener.end(error);
  }

  async takeBack(): Promise<void> {
    await this.#subscription.drain().catch(() => {});
    this.end();
  }
}
