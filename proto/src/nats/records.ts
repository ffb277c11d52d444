// A bucket of protobuf messages by key, and what to make of one that does not parse.
import { type DescMessage, fromBinary, type MessageShape, toBinary } from '@bufbuild/protobuf';
import { type KV, Kvm } from '@nats-io/kv';
import type { NatsLink } from './link.js';
import { isOutrun } from './link-errors.js';

/** A message, and the revision of the bucket that it was written as. */
export interface RecordEntry<T> {
  readonly message: T;
  readonly revision: number;
}

/** Messages of one schema in a bucket. A damaged message counts as none. */
export class Records<S extends DescMessage> {
  readonly #link: NatsLink;
  readonly #schema: S;
  readonly #name: string;
  readonly #bucket: Promise<KV>;

  constructor(link: NatsLink, name: string, schema: S) {
    this.#link = link;
    this.#schema = schema;
    this.#name = name;
    this.#bucket = new Kvm(link.js).open(name, { allow_direct: true });
  }

  async put(key: string, message: MessageShape<S>): Promise<void> {
    const bucket = await this.#bucket;
    const bytes = toBinary(this.#schema, message);
    await this.#link.call(`writing to ${this.#name}`, () => bucket.put(key, bytes));
  }

  /**
   * Writes only when the entry is the one that is known: of several writers, one gets through.
   * @param revision of the known entry; 0: there is none
   * @returns the new revision; undefined when another one has written
   */
  async replace(
    key: string,
    message: MessageShape<S>,
    revision: number,
  ): Promise<number | undefined> {
    const bucket = await this.#bucket;
    const bytes = toBinary(this.#schema, message);
    try {
      return await this.#link.call(`writing to ${this.#name}`, () =>
        revision === 0 ? bucket.create(key, bytes) : bucket.update(key, bytes, revision),
      );
    } catch (error) {
      if (!isOutrun(error)) throw error;
    }
    // Our own words may have arrived though the answer was lost.
    const now = await this.#link.call(`reading ${this.#name}`, () => bucket.get(key));
    return now !== null && Buffer.compare(now.value, bytes) === 0 ? now.revision : undefined;
  }

  async get(key: string): Promise<MessageShape<S> | undefined> {
    return (await this.entry(key))?.message;
  }

  async entry(key: string): Promise<RecordEntry<MessageShape<S>> | undefined> {
    const bucket = await this.#bucket;
    const entry = await this.#link.call(`reading ${this.#name}`, () => bucket.get(key));
    if (entry === null || entry.operation !== 'PUT') return undefined;
    try {
      return { message: fromBinary(this.#schema, entry.value), revision: entry.revision };
    } catch {
      return undefined;
    }
  }

  /** Removes the message and all trace of it. */
  async delete(key: string): Promise<void> {
    const bucket = await this.#bucket;
    await this.#link.call(`deleting in ${this.#name}`, () => bucket.purge(key));
  }

  /** Keys in order, those of messages that were deleted lately among them. */
  async keys(): Promise<readonly string[]> {
    const subjects = await this.#link.call(`listing ${this.#name}`, async () => {
      const { state } = await this.#link.jsm.streams.info(`KV_${this.#name}`, {
        subjects_filter: `$KV.${this.#name}.>`,
      });
      return Object.keys(state.subjects ?? {}).sort();
    });
    const prefix = `$KV.${this.#name}.`.length;
    return subjects.map((subject) => subject.slice(prefix));
  }

  /** All messages, in the order of their keys. */
  async all(): Promise<readonly MessageShape<S>[]> {
    return (await this.entries()).map(({ message }) => message);
  }

  /** All messages with their revisions, in the order of their keys. */
  async entries(): Promise<readonly RecordEntry<MessageShape<S>>[]> {
    const found = await Promise.all((await this.keys()).map((key) => this.entry(key)));
    return found.filter((entry) => entry !== undefined);
  }
}
