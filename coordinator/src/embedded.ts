// The embedded mode: tasks are executed in this process, by the worker's own executor.
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import {
  type ArtifactStore,
  BadInputError,
  FolderStore,
  type Progress,
  type Task,
  type TaskResult,
} from '@kronlens/proto';
import {
  createExecutor,
  type Executor,
  examineMachine,
  type MachineReport,
} from '@kronlens/worker';
import type { WorkerOptions } from '@kronlens/worker/cluster';
import type { Evaluator } from './graph/index.js';
import { ConstantsFolder } from './plan/constants-folder.js';
import type { Engine } from './plan/engine.js';
import type { AnalysisOptions } from './plan/options.js';
import { makeOwnedFolder } from './plan/owned-folder.js';
import { LocalQueue } from './plan/queue.js';
import { taskEvaluator } from './plan/task-evaluator.js';

export { examineMachine, type MachineReport };

export interface EmbeddedOptions extends Pick<AnalysisOptions, 'device' | 'linalg'> {
  /** Folder of artifacts and recorded results; made when the first one is stored. */
  readonly storeFolder: string;
  /** Tasks that run at the same time. */
  readonly parallel: number;
  /** Interrupts the run. */
  readonly signal: AbortSignal;
}

export interface EmbeddedEngine extends Engine {
  /** Waits for running tasks, then ends the worker threads. */
  close(): Promise<void>;
}

/** Executes tasks in this process that are not queued: whoever asks may go on after one fails. */
export interface LocalTasks {
  execute(task: Task): Promise<TaskResult>;
  readonly hardware: Readonly<Record<string, string>>;
  close(): Promise<void>;
}

function unqueued(executor: Executor, signal: AbortSignal) {
  return async (task: Task): Promise<TaskResult> => {
    try {
      return await executor.execute(task, { signal });
    } catch (error) {
      throw signal.aborted ? signal.reason : error;
    }
  };
}

/** For looking into data files and evaluating small models beside a cluster. */
export async function openLocalTasks(
  store: ArtifactStore,
  signal: AbortSignal,
): Promise<LocalTasks> {
  const executor = await createExecutor({
    store,
    parallelism: 1,
    device: 'cpu',
    linalg: 'portable',
  });
  return {
    execute: unqueued(executor, signal),
    hardware: executor.hardware,
    close: () => executor.close(),
  };
}

/** Works for a cluster; the code for that is loaded when it is needed. */
export async function runWorker(options: WorkerOptions): Promise<void> {
  const cluster = await import('@kronlens/worker/cluster');
  await cluster.runWorker(options);
}

/** @throws BadInputError for a device or backend that this machine does not have */
export async function openEmbedded(options: EmbeddedOptions): Promise<EmbeddedEngine> {
  const { parallel, signal, device, linalg } = options;
  if (device !== 'cpu')
    throw new BadInputError('no-such-device', `--device ${device} is not available yet; use cpu`);
  const store = new FolderStore(options.storeFolder);
  let listener: ((progress: Progress) => void) | undefined;
  const executor = await createExecutor({
    store,
    parallelism: parallel,
    device,
    linalg,
    onProgress: (progress) => listener?.(progress),
  });
  const queue = new LocalQueue({
    execute: (task, stop) => executor.execute(task, { signal: stop }),
    parallelism: parallel,
    signal,
  });
  const constants = await ConstantsFolder.create();
  return {
    store,
    queue,
    evaluator: taskEvaluator(unqueued(executor, signal), constants),
    hardware: executor.hardware,
    warnings: executor.warnings,
    onProgress(next) {
      listener = next;
    },
    async close() {
      await queue.idle();
      await executor.close();
      constants.close();
    },
  };
}

/** Lends an evaluator to work that stores nothing, for example `inspect`. */
export async function withEvaluator<T>(
  signal: AbortSignal,
  work: (evaluator: Evaluator) => Promise<T>,
): Promise<T> {
  const folder = await makeOwnedFolder('kronlens-inspect-');
  try {
    const engine = await openEmbedded({
      storeFolder: join(folder, 'store'),
      parallel: 1,
      signal,
      device: 'cpu',
      linalg: 'portable',
    });
    try {
      return await work(engine.evaluator);
    } finally {
      await engine.close();
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
