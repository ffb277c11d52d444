// Sends the progress of a run to whoever listens.
import { create } from '@kronlens/proto';
import { encodeRunNews, type NatsLink, newsSubject, RunNewsSchema } from '@kronlens/proto/nats';
import type { ProgressSink } from '../plan/progress-sink.js';

/** Who comes late learns the stage after so long; and counts change at most so often. */
const REPEAT_MS = 1000;

interface Stage {
  readonly stage: string;
  readonly total: number;
  readonly unit: string;
}

export class NewsSink implements ProgressSink {
  readonly #link: NatsLink;
  readonly #subject: string;
  readonly #timer: NodeJS.Timeout;
  #stage: Stage | undefined;
  #done = 0;
  #detail = '';

  constructor(link: NatsLink, run: string) {
    this.#link = link;
    this.#subject = newsSubject(run);
    this.#timer = setInterval(() => this.#sendStage(false), REPEAT_MS);
  }

  begin(stage: string, total: number, unit: string): void {
    this.end();
    this.#stage = { stage, total, unit };
    this.#done = 0;
    this.#detail = '';
    this.#sendStage(false);
  }

  update(done: number): void {
    this.#done = Math.max(this.#done, done);
  }

  detail(text: string): void {
    this.#detail = text;
  }

  end(): void {
    this.#sendStage(true);
    this.#stage = undefined;
  }

  note(line: string): void {
    this.#send({ note: line });
  }

  /** The run has ended, and its state says how. */
  close(): void {
    clearInterval(this.#timer);
    this.#send({ ended: true });
  }

  #sendStage(over: boolean): void {
    if (this.#stage === undefined) return;
    this.#send({ ...this.#stage, done: this.#done, over, detail: this.#detail });
  }

  #send(news: Parameters<typeof create<typeof RunNewsSchema>>[1]): void {
    if (this.#link.connection.isClosed()) return;
    this.#link.connection.publish(this.#subject, encodeRunNews(create(RunNewsSchema, news)));
  }
}
