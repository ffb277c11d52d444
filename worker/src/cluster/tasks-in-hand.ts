// The tasks that a worker has in hand: each is worked on until its message is settled, or called off.
import type { Task } from '@kronlens/proto';
import { token } from '@kronlens/proto/nats';
import type { Delivery } from './delivery.js';
import { HandedBackError, RunCancelledError, type TaskHandler } from './handle-task.js';
import type { Pace } from './pace.js';
import type { ProgressEvents } from './progress-events.js';
import type { TaskOutcome, WorkerMetrics } from './worker-metrics.js';

export interface InHandOptions {
  readonly handler: TaskHandler;
  readonly pace: Pace;
  readonly progress: ProgressEvents;
  readonly metrics: WorkerMetrics;
  /** All tasks are handed back when it aborts. */
  readonly stop: AbortSignal;
  /** A task is settled, or could not be. */
  readonly settled: (error?: unknown) => void;
}

export class TasksInHand {
  readonly #options: InHandOptions;
  readonly #tasks = new Map<bigint, { run: string; readonly controller: AbortController }>();
  readonly #working = new Set<Promise<void>>();
  #computing = 0;

  constructor(options: InHandOptions) {
    this.#options = options;
    const handBack = () => {
      for (const { controller } of this.#tasks.values()) controller.abort(new HandedBackError());
    };
    options.stop.addEventListener('abort', handBack, { once: true });
  }

  /** All of them: those that are computed, that wait for a turn, whose results are being stored. */
  get count(): number {
    return this.#tasks.size;
  }

  /** Those that are computed. */
  get computing(): number {
    return this.#computing;
  }

  /** Begins to work on a task. */
  add(delivery: Delivery): void {
    const working = this.#work(delivery).then(
      () => this.#options.settled(),
      (error: unknown) => this.#options.settled(error),
    );
    this.#working.add(working);
    void working.finally(() => this.#working.delete(working));
  }

  /** Calls off the tasks of a run whose name on the server is `runToken`. */
  cancel(runToken: string): void {
    for (const { run, controller } of this.#tasks.values())
      if (run !== '' && token(run) === runToken) controller.abort(new RunCancelledError(run));
  }

  /** Resolves when nothing is in hand. */
  async settled(): Promise<void> {
    while (this.#working.size > 0) await Promise.all(this.#working);
  }

  async #work(delivery: Delivery): Promise<void> {
    const { handler, pace, progress, metrics, stop } = this.#options;
    const { taskId, message } = delivery;
    const controller = new AbortController();
    const task = { run: '', controller };
    this.#tasks.set(message, task);
    if (stop.aborted) controller.abort(new HandedBackError());
    let isComputing = false;
    let kind: Task['kind']['case'];
    const computing = (is: boolean) => {
      if (is !== isComputing) this.#computing += is ? 1 : -1;
      isComputing = is;
    };
    const watcher = {
      begun: (run: string, its: Task['kind']['case']) => {
        task.run = run;
        kind = its;
        progress.begin(taskId, run);
        computing(true);
      },
      computed: (ms: number) => {
        pace.took(ms);
        metrics.computed(kind, ms);
        computing(false);
      },
      waited: (ms: number) => pace.takes(ms),
      ended: (outcome: TaskOutcome) => metrics.ended(kind, outcome),
    };
    try {
      await handler.handle(delivery, watcher, controller.signal);
    } finally {
      this.#tasks.delete(message);
      progress.end(taskId);
      computing(false);
    }
  }
}
