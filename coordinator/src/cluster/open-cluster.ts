// The engine of a run on a cluster: tasks are executed by the workers that are connected to a NATS server.
import { randomBytes } from 'node:crypto';
import { resolve } from 'node:path';
import { clone, type Progress, type Task, TaskSchema } from '@kronlens/proto';
import {
  type LinkOptions,
  NatsLink,
  openStore,
  setUpCluster,
  withEnvironment,
} from '@kronlens/proto/nats';
import { openLocalTasks } from '../embedded.js';
import type { Engine } from '../plan/engine.js';
import type { Queue } from '../plan/queue.js';
import { taskEvaluator } from '../plan/task-evaluator.js';
import { CODE_VERSION } from '../version.js';
import { JetStreamQueue } from './jetstream-queue.js';
import { watchWorkers } from './missing-workers.js';

export { parseStore } from '@kronlens/proto/nats';

export interface ClusterOptions {
  readonly link: Omit<LinkOptions, 'name' | 'role'>;
  /** Where artifacts are, as `parseStore` gives it. */
  readonly store: string;
  /** Interrupts the run. */
  readonly signal: AbortSignal;
  /** Takes a line for the user. */
  readonly note: (line: string) => void;
}

export interface ClusterEngine extends Engine {
  /** Leaves the cluster. */
  close(): Promise<void>;
}

/** Data files are named from where the user is; workers are elsewhere. */
function withAbsolutePaths(task: Task): Task {
  const absolute = clone(TaskSchema, task);
  const { kind } = absolute;
  const data = kind.case === 'program' ? kind.value : undefined;
  const operated = kind.case === 'curvature' ? kind.value.operator : undefined;
  for (const array of (data ?? operated)?.arrays ?? [])
    if (array.path !== '') array.path = resolve(array.path);
  return absolute;
}

/**
 * Joins a cluster as the coordinator of one run; sets the server up where that was not done.
 * @throws NatsUnreachableError, NatsRefusedError, NatsUnfitError
 */
export async function openCluster(options: ClusterOptions): Promise<ClusterEngine> {
  const { signal, note } = options;
  const run = randomBytes(8).toString('hex');
  const link = await NatsLink.open(
    withEnvironment(
      { ...options.link, name: `kronlens run ${run}`, role: 'coordinator' },
      process.env,
    ),
    { signal },
  );
  try {
    await setUpCluster(link, { codeVersion: CODE_VERSION });
    const store = openStore(link, options.store);
    let listener: ((progress: Progress) => void) | undefined;
    const remote = new JetStreamQueue({
      link,
      store,
      storeName: options.store,
      run,
      signal,
      onProgress: (progress) => listener?.(progress),
    });
    const local = await openLocalTasks(store, signal);
    const stopWatching = watchWorkers(link, note);
    // Looking into files and evaluating small models would take longer to send than to do.
    const queue: Queue = {
      submit: (task) =>
        task.kind.case === 'evaluate' || task.kind.case === 'describeData'
          ? local.execute(task)
          : remote.submit(withAbsolutePaths(task)),
      idle: () => remote.idle(),
    };
    return {
      store,
      queue,
      evaluator: taskEvaluator((task) => local.execute(task)),
      hardware: local.hardware,
      warnings: [],
      onProgress(next) {
        listener = next;
      },
      async close() {
        stopWatching();
        await remote.close();
        await local.close();
        await link.close();
      },
    };
  } catch (error) {
    await link.close();
    throw error;
  }
}
