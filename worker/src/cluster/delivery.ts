// One task as the work queue hands it out: its bytes, and what may be answered.
import type { NatsLink } from '@kronlens/proto/nats';
import type { Msg } from '@nats-io/transport-node';

/** Positions from the end of `$JS.ACK...<deliveries>.<stream seq>.<consumer seq>.<time>.<pending>`. */
const DELIVERIES = -5;
const STREAM_SEQUENCE = -4;

/** A message of the task stream. Until it is settled it is ours for the ack-wait after each `working`. */
export class Delivery {
  /** The task's id as the subject has it. */
  readonly taskId: string;
  readonly bytes: Uint8Array;
  /** Its sequence number in the stream: a task that is queued anew gets another. */
  readonly message: bigint;
  /** How often the message was handed out, this time included. */
  readonly deliveries: number;
  readonly #link: NatsLink;
  readonly #reply: string;

  constructor(link: NatsLink, message: Msg) {
    this.#link = link;
    this.#reply = message.reply ?? '';
    this.bytes = message.data;
    this.taskId = message.subject.split('.').at(-1) ?? '';
    const facts = this.#reply.split('.');
    this.deliveries = Number(facts.at(DELIVERIES) ?? 1);
    this.message = BigInt(facts.at(STREAM_SEQUENCE) ?? 0);
  }

  /** Asks for more time. Lost words do no harm: they are repeated. */
  working(): void {
    this.#say('+WPI');
  }

  /** The task is done; it leaves the queue. If the words are lost, it comes again and is found done. */
  done(): void {
    this.#say('+ACK');
  }

  /** The task is not to be tried again; it leaves the queue. */
  async drop(): Promise<void> {
    await this.#settle('+TERM');
  }

  /** Another worker, or this one later, is to try. */
  async handBack(delayMs: number): Promise<void> {
    await this.#settle(`-NAK ${JSON.stringify({ delay: Math.round(delayMs * 1e6) })}`);
  }

  #say(word: string): void {
    if (!this.#link.connection.isClosed()) this.#link.connection.publish(this.#reply, word);
  }

  async #settle(word: string): Promise<void> {
    await this.#link.call('settling a task', () =>
      this.#link.connection.request(this.#reply, word, { timeout: 10_000 }),
    );
  }
}
