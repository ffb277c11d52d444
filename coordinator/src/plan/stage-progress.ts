// Adds up the progress of the tasks of one stage, so that a bar moves while long tasks run.
import type { Progress } from '@kronlens/proto';
import type { ProgressSink } from './progress-sink.js';

/** One stage: tasks with weights in the stage's unit. */
export class StageProgress {
  readonly #sink: ProgressSink;
  readonly #weights = new Map<string, number>();
  readonly #running = new Map<string, number>();
  /** How running tasks go, of those that say it; the first has said so longest. */
  readonly #details = new Map<string, string>();
  #finished = 0;

  /** @param sink is told of the stage's begin; call `end` when it is over */
  constructor(sink: ProgressSink, stage: string, total: number, unit: string) {
    this.#sink = sink;
    sink.begin(stage, total, unit);
  }

  /** A task is submitted whose completion is worth `weight` units; several may wait for the same one. */
  expect(taskId: string, weight: number): void {
    this.#weights.set(taskId, (this.#weights.get(taskId) ?? 0) + weight);
  }

  /** A running task said how far it is; tasks of other stages are ignored. */
  partial({ taskId, done, total, what }: Progress): void {
    const weight = this.#weights.get(taskId);
    if (weight === undefined || total === 0n) return;
    this.#running.set(taskId, weight * Math.min(1, Number(done) / Number(total)));
    if (what !== '') {
      this.#details.set(taskId, what);
      this.#showDetail();
    }
    this.#show();
  }

  /** A task is done, computed or found recorded. */
  finish(taskId: string): void {
    const weight = this.#weights.get(taskId);
    if (weight === undefined) return;
    this.#weights.delete(taskId);
    this.#running.delete(taskId);
    if (this.#details.delete(taskId)) this.#showDetail();
    this.#finished += weight;
    this.#show();
  }

  end(): void {
    this.#sink.end();
  }

  /** Of a finished task nothing remains to be said. */
  #showDetail(): void {
    const [longest = ''] = this.#details.values();
    this.#sink.detail?.(longest);
  }

  #show(): void {
    let done = this.#finished;
    for (const part of this.#running.values()) done += part;
    // Weights may be fractions that add up to a whole number but for rounding.
    this.#sink.update(Math.floor(done + 1e-6));
  }
}
