// What a worker measures of itself, for Prometheus.
import type { Task } from '@kronlens/proto';
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';

/** What became of a task at this worker. */
export type TaskOutcome =
  | 'done'
  /** Its result was there already. */
  | 'found'
  /** It is not tried again. */
  | 'failed'
  /** It is left to another try, or to another worker. */
  | 'handed_back'
  | 'cancelled';

/** Seconds, from tasks that hardly compute to those of an hour. */
const BUCKETS = [0.001, 0.01, 0.1, 1, 10, 60, 600, 3600];

/** State that is read when somebody asks. */
export interface WorkerState {
  readonly inHand: () => number;
  readonly computing: () => number;
  readonly isConnected: () => boolean;
}

export class WorkerMetrics {
  readonly #registry = new Registry();
  readonly #tasks: Counter<'kind' | 'outcome'>;
  readonly #seconds: Histogram<'kind'>;
  readonly #breaks: Counter;

  /** @param facts shown as they are: name, version, device and so on */
  constructor(facts: Readonly<Record<string, string>>, limits: Readonly<Record<string, number>>) {
    const registers = [this.#registry];
    collectDefaultMetrics({ register: this.#registry });
    new Gauge({
      name: 'kronlens_worker_info',
      help: 'What the worker is; always 1',
      labelNames: Object.keys(facts),
      registers,
    }).set({ ...facts }, 1);
    for (const [name, value] of Object.entries(limits))
      new Gauge({ name: `kronlens_worker_${name}`, help: `The worker's ${name}`, registers }).set(
        value,
      );
    this.#tasks = new Counter({
      name: 'kronlens_tasks_total',
      help: 'Tasks that this worker had in hand, by what became of them',
      labelNames: ['kind', 'outcome'],
      registers,
    });
    this.#seconds = new Histogram({
      name: 'kronlens_task_seconds',
      help: 'Time to compute a task, without waiting and storing',
      labelNames: ['kind'],
      buckets: BUCKETS,
      registers,
    });
    this.#breaks = new Counter({
      name: 'kronlens_nats_disconnects_total',
      help: 'How often the connection to the NATS server broke',
      registers,
    });
  }

  /** Shows what is so at the moment. */
  watch({ inHand, computing, isConnected }: WorkerState): void {
    const registers = [this.#registry];
    const gauge = (name: string, help: string, value: () => number) =>
      new Gauge({
        name,
        help,
        registers,
        collect() {
          this.set(value());
        },
      });
    gauge('kronlens_tasks_in_hand', 'Tasks taken and not settled', inHand);
    gauge('kronlens_tasks_computing', 'Tasks that are computed', computing);
    gauge('kronlens_nats_connected', '1 while the NATS server is reached', () =>
      isConnected() ? 1 : 0,
    );
  }

  ended(kind: Task['kind']['case'], outcome: TaskOutcome): void {
    this.#tasks.inc({ kind: kind ?? 'unknown', outcome });
  }

  computed(kind: Task['kind']['case'], ms: number): void {
    this.#seconds.observe({ kind: kind ?? 'unknown' }, ms / 1000);
  }

  disconnected(): void {
    this.#breaks.inc();
  }

  get contentType(): string {
    return this.#registry.contentType;
  }

  /** In Prometheus' text format. */
  async text(): Promise<string> {
    return await this.#registry.metrics();
  }
}
