// What a worker measures of itself, for Prometheus.
import type { Task } from '@kronlens/proto';
import { ProcessMetrics } from '@kronlens/proto/status';
import { Counter, Histogram } from 'prom-client';

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

export class WorkerMetrics extends ProcessMetrics {
  readonly #tasks: Counter<'kind' | 'outcome'>;
  readonly #seconds: Histogram<'kind'>;
  readonly #breaks: Counter;

  /** @param facts shown as they are: name, version, device and so on */
  constructor(facts: Readonly<Record<string, string>>, limits: Readonly<Record<string, number>>) {
    super('kronlens_worker_info', 'What the worker is; always 1', facts);
    const registers = [...this.registers];
    for (const [name, value] of Object.entries(limits))
      this.gauge(`kronlens_worker_${name}`, `The worker's ${name}`, () => value);
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
    this.gauge('kronlens_tasks_in_hand', 'Tasks taken and not settled', inHand);
    this.gauge('kronlens_tasks_computing', 'Tasks that are computed', computing);
    this.gauge('kronlens_nats_connected', '1 while the NATS server is reached', isConnected);
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
}
