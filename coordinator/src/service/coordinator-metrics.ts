// What a coordinator measures of itself, for Prometheus.
import { ProcessMetrics } from '@kronlens/proto/status';

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

/** @param facts shown as they are: name, version, store */
export function coordinatorMetrics(
  facts: Readonly<Record<string, string>>,
  state: CoordinatorState,
): ProcessMetrics {
  const what = 'What the coordinator is; always 1';
  const metrics = new ProcessMetrics('kronlens_coordinator_info', what, facts);
  metrics.gauge('kronlens_coordinator_active', '1 while it holds the lease', state.isActive);
  metrics.gauge('kronlens_nats_connected', '1 while the NATS server is reached', state.isConnected);
  metrics.gauge('kronlens_runs_running', 'Runs that are computed', state.running);
  metrics.gauge('kronlens_runs_waiting', 'Runs that wait for others to end', state.waiting);
  metrics.gauge('kronlens_workers', 'Workers that take its tasks', state.workers);
  metrics.gauge('kronlens_worker_slots', 'Tasks that its workers compute at a time', state.slots);
  return metrics;
}
