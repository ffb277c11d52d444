// What a coordinator measures of itself, for Prometheus.
import { collectDefaultMetrics, Gauge, Registry } from 'prom-client';

/** State that is read when somebody asks. */
export interface CoordinatorState {
  readonly isActive: () => boolean;
  readonly isConnected: () => boolean;
  /** Runs whose processes are at work. */
  readonly running: () => number;
  /** Runs that nobody has begun. */
  readonly waiting: () => number;
  /** Workers that take this coordinator's tasks. */
  readonly workers: () => number;
  /** Tasks that those work on at a time. */
  readonly slots: () => number;
}

export class CoordinatorMetrics {
  readonly #registry = new Registry();

  /** @param facts shown as they are: name, version, store */
  constructor(facts: Readonly<Record<string, string>>, state: CoordinatorState) {
    const registers = [this.#registry];
    collectDefaultMetrics({ register: this.#registry });
    new Gauge({
      name: 'kronlens_coordinator_info',
      help: 'What the coordinator is; always 1',
      labelNames: Object.keys(facts),
      registers,
    }).set({ ...facts }, 1);
    const gauge = (name: string, help: string, value: () => number) =>
      new Gauge({
        name,
        help,
        registers,
        collect() {
          this.set(value());
        },
      });
    gauge('kronlens_coordinator_active', '1 while it holds the lease', () =>
      Number(state.isActive()),
    );
    gauge('kronlens_nats_connected', '1 while the NATS server is reached', () =>
      Number(state.isConnected()),
    );
    gauge('kronlens_runs_running', 'Runs that are computed', state.running);
    gauge('kronlens_runs_waiting', 'Runs that wait for others to end', state.waiting);
    gauge('kronlens_workers', 'Workers that take its tasks', state.workers);
    gauge('kronlens_worker_slots', 'Tasks that its workers compute at a time', state.slots);
  }

  get contentType(): string {
    return this.#registry.contentType;
  }

  /** In Prometheus' text format. */
  async text(): Promise<string> {
    return await this.#registry.metrics();
  }
}
