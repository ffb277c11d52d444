// One task as the work queue hands it out: its bytes, and what may be answered.
import type { NatsLink } from '@kronlens/proto/nats';
import type { Msg } from '@nats-io/transport-node';

/** Position of the number of deliveries, from the end of `$JS.ACK...<deliveries>.<seq>.<seq>.<time>.<pending>`. */
const DELIVERIES = -5;

/** A message of the task stream. Until it is settled it is ours for the ack-wait after each `working`. */
export class Delivery {
  /** The task's id as the subject has it. */
  readonly taskId: string;
  readonly bytes: Uint8Array;
  /** How often the task was handed out, this time included. */
  readonly deliveries: number;
  readonly #link: NatsLink;
  readonly #reply: string;

  constructor(link: NatsLink, message: Msg) {
    this.#link = link;
    this.#reply = message.reply ?? '';
    this.bytes = message.data;
    this.taskId = message.subject.split('.').at(-1) ?? '';
    this.deliveries = Number(this.#reply.split('.').at(DELIVERIES) ?? 1);
  }

  /** Asks for more time. Lost words do no harm: they are repeated. */
  working(): void {
    if (!this.#link.connection.isClosed()) this.#link.connection.publish(this.#reply, '+WPI');
  }

  /** The task is done; it leaves the queue. */
  async done(): Promise<void> {
    await this.#settle('+ACK');
  }

  /** The task is not to be tried again; it leaves the queue. */
  async drop(): Promise<void> {
    await this.#settle('+TERM');
  }

  /** Another worker, or this one later, is to try. */
  async handBack(delayMs: number): Promise<void> {
    await this.#settle(`-NAK ${JSON.stringify({ delay: Math.round(delayMs * 1e6) })}`);
  }

  async #settle(word: string): Promise<void> {
    await this.#link.call('settling a task', () =>
      this.#link.connection.request(this.#reply, word, { timeout: 10_000 }),
    );
  }
}
