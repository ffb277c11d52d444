// The engine of a run on a cluster: tasks are executed by the workers that are connected to a NATS server.
import { randomBytes } from 'node:crypto';
import { resolve } from 'node:path';
import {
  clone,
  create,
  type DataArray,
  dataArraysOf,
  type Progress,
  type Task,
  type TaskResult,
  TaskResultSchema,
  TaskSchema,
} from '@kronlens/proto';
import {
  type LinkOptions,
  NatsLink,
  openStore,
  setUpCluster,
  withEnvironment,
} from '@kronlens/proto/nats';
import { openLocalTasks } from '../embedded.js';
import { ConstantsFolder } from '../plan/constants-folder.js';
import type { Engine } from '../plan/engine.js';
import { forgetLost } from '../plan/lost-artifact.js';
import type { IsBearable } from '../plan/queue.js';
import { taskEvaluator } from '../plan/task-evaluator.js';
import { CODE_VERSION } from '../version.js';
import { JetStreamQueue, type JetStreamQueueOptions } from './jetstream-queue.js';
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

/** A run on a cluster that is joined already. */
export interface RunEngineOptions {
  readonly link: NatsLink;
  /** Where artifacts are, as `parseStore` gives it. */
  readonly store: string;
  /** Names the run on the server. */
  readonly run: string;
  readonly signal: AbortSignal;
  readonly note: (line: string) => void;
  /** Where relative paths of data begin. */
  readonly workingDirectory: string;
  /** Answers what data files hold where this process cannot see them. */
  readonly describe?: (paths: readonly string[]) => readonly DataArray[];
  /** See JetStreamQueueOptions. */
  readonly window?: JetStreamQueueOptions['window'];
  readonly permit?: () => Promise<void>;
}

/** Data files are named from where the user is; workers are elsewhere. */
function withAbsolutePaths(task: Task, workingDirectory: string): Task {
  const absolute = clone(TaskSchema, task);
  for (const array of dataArraysOf(absolute))
    if (array.path !== '') array.path = resolve(workingDirectory, array.path);
  return absolute;
}

/** The engine of one run; closing it leaves the connection open. */
export async function openRunEngine(options: RunEngineOptions): Promise<ClusterEngine> {
  const { link, run, signal, note, workingDirectory, describe, window, permit } = options;
  const store = openStore(link, options.store);
  let listener: ((progress: Progress) => void) | undefined;
  const remote = new JetStreamQueue({
    link,
    store,
    storeName: options.store,
    run,
    signal,
    onProgress: (progress) => listener?.(progress),
    ...(window && { window }),
    ...(permit && { permit }),
  });
  const local = await openLocalTasks(store, signal);
  const constants = await ConstantsFolder.create();
  const stopWatching = watchWorkers(link, note, () => remote.needs);
  const submit = async (task: Task, isBearable?: IsBearable): Promise<TaskResult> => {
    const { kind } = task;
    // Looking into files and evaluating small models would take longer to send than to do.
    if (kind.case === 'evaluate') return await local.execute(task);
    if (kind.case !== 'describeData') {
      try {
        return await remote.submit(withAbsolutePaths(task, workingDirectory), isBearable);
      } catch (error) {
        // Whoever asks again gets what was lost made anew.
        await forgetLost(store, error);
        throw error;
      }
    }
    if (describe === undefined) return await local.execute(task);
    return create(TaskResultSchema, { arrays: [...describe(kind.value.paths)] });
  };
  return {
    store,
    queue: { submit, idle: () => remote.idle() },
    evaluator: taskEvaluator((task) => local.execute(task), constants),
    hardware: local.hardware,
    warnings: [],
    onProgress(next) {
      listener = next;
    },
    async close() {
      stopWatching();
      await remote.close();
      await local.close();
      constants.close();
    },
  };
}

/**
 * Joins a cluster as the coordinator of one run; sets the server up where that was not done.
 * @throws NatsUnreachableError, NatsRefusedError, NatsUnfitError
 */
export async function openCluster(options: ClusterOptions): Promise<ClusterEngine> {
  const { signal, note, store } = options;
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
    const workingDirectory = process.cwd();
    const engine = await openRunEngine({ link, store, run, signal, note, workingDirectory });
    return {
      ...engine,
      async close() {
        await engine.close();
        await link.close();
      },
    };
  } catch (error) {
    await link.close();
    throw error;
  }
}
