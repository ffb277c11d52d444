// Executes tasks in this process: recorded results first, else in the pool; what is computed is recorded.
import './session/no-telemetry.js';
import {
  type ArtifactRef,
  ArtifactRefSchema,
  type ArtifactStore,
  BadInputError,
  CancelledError,
  type CurvatureTask,
  create,
  KronlensError,
  type PosteriorTask,
  type Progress,
  ProgressSchema,
  type Task,
  type TaskResult,
  TaskResultSchema,
  taskId,
} from '@kronlens/proto';
import { DataFiles } from './data/data-files.js';
import { describeHardware } from './hardware.js';
import {
  createLinearAlgebra,
  type LinearAlgebra,
  type LinearAlgebraChoice,
} from './linalg/index.js';
import { ThreadPool } from './pool/thread-pool.js';
import { unlessAborted } from './pool/unless-aborted.js';
import { type CurvatureRequest, executeCurvature } from './tasks/curvature.js';
import { executeDescribeData } from './tasks/describe-data.js';
import { runEigen } from './tasks/eigen.js';
import { executeEvaluate } from './tasks/evaluate.js';
import { runFullHessian } from './tasks/full-hessian.js';
import type { PoolJobs } from './tasks/pool-jobs.js';
import {
  executePosterior,
  executePosteriorDraws,
  type PosteriorSetting,
} from './tasks/posterior.js';
import { executeProgram, type ProgramRequest } from './tasks/program.js';
import { runStructure } from './tasks/structure.js';
import type { TaskArtifact } from './tasks/task-artifact.js';
import { TaskCheckpoint } from './tasks/task-checkpoint.js';

export interface ExecutorOptions {
  /** Where artifacts are read from, and results go to. */
  readonly store: ArtifactStore;
  /** Worker threads; each runs one task at a time. */
  readonly parallelism: number;
  /** Where programs run. Other devices than the processor are refused for now. */
  readonly device: 'cpu';
  /** What does dense linear algebra; `auto`: LAPACK where it is found. */
  readonly linalg: LinearAlgebraChoice;
  /**
   * Told after every batch of a program task, in samples, and after every product of a curvature
   * task, in vectors.
   */
  readonly onProgress?: (progress: Progress) => void;
  /** Whether checkpoints that are not needed any more are left for others to remove. */
  readonly leavesCheckpoints?: boolean;
}

export interface Execution {
  /** Calls it off. */
  readonly signal?: AbortSignal | undefined;
  /** The task is known to have no recorded result: none is looked for. */
  readonly isNew?: boolean;
  /** Told when nothing remains but to record the result. */
  readonly onComputed?: () => void;
}

/** Executes tasks. */
export interface Executor {
  /**
   * Executes a task, or finds its recorded result. Results of evaluate and describe-data tasks are
   * not recorded and have no id; all others are recorded under theirs.
   * Any number of tasks may be asked for at a time; those that find no thread wait.
   * @throws KronlensError: `badInput` where the user's model or data are at fault, `retryable` where
   *   another try may succeed; CancelledError when the signal aborts
   */
  execute(task: Task, execution?: Execution): Promise<TaskResult>;
  /** What computes: processor, runtime and library versions. */
  readonly hardware: Readonly<Record<string, string>>;
  /** What makes work slower than it need be, and what to do about it; for the user. */
  readonly warnings: readonly string[];
  /** Calls off what is running, waits until no native code runs any more, and lets go of everything. */
  close(): Promise<void>;
}

/** What a kind of task adds to its result. */
type Outcome = Partial<Pick<TaskResult, 'tensors' | 'types' | 'arrays' | 'parts'>> & {
  /** Artifacts, not stored yet. */
  readonly found?: readonly TaskArtifact[];
};

const RECORDED: ReadonlySet<Task['kind']['case']> = new Set([
  'program',
  'merge',
  'eigen',
  'structure',
  'fullHessian',
  'curvature',
  'empty',
  'posterior',
  'posteriorDraws',
]);

class LocalExecutor implements Executor {
  readonly hardware: Readonly<Record<string, string>>;
  readonly warnings: readonly string[];
  readonly #options: ExecutorOptions;
  readonly #linalg: LinearAlgebra;
  readonly #files = new DataFiles();
  readonly #pool: ThreadPool<PoolJobs>;
  /** Curvature tasks that are running: they call native code on the main thread, too. */
  readonly #iterations = new Set<Promise<unknown>>();
  #closed = false;

  constructor(
    options: ExecutorOptions,
    linalg: LinearAlgebra,
    hardware: Readonly<Record<string, string>>,
  ) {
    this.hardware = hardware;
    this.warnings = linalg.warning === undefined ? [] : [linalg.warning];
    this.#options = options;
    this.#linalg = linalg;
    this.#pool = new ThreadPool<PoolJobs>({
      entry: new URL('./tasks/pool-entry.js', import.meta.url),
      threads: options.parallelism,
      artifact: (id) => options.store.get(id),
    });
  }

  async execute(
    task: Task,
    { signal, isNew = false, onComputed = () => {} }: Execution = {},
  ): Promise<TaskResult> {
    if (this.#closed) throw new KronlensError('executor-closed', 'the executor is closed');
    if (signal?.aborted === true) throw new CancelledError('the task');
    if (!RECORDED.has(task.kind.case)) return await this.#compute(task, '', signal, onComputed);
    const { store } = this.#options;
    const id = taskId(task);
    const earlier = isNew ? undefined : await store.getResult(id);
    if (earlier !== undefined) return earlier;
    const removes = this.#options.leavesCheckpoints !== true;
    const checkpoint = new TaskCheckpoint(store, id, this.hardware, removes);
    const result = await this.#compute(task, id, signal, onComputed, checkpoint);
    await store.putResult(id, result);
    await checkpoint.remove();
    return result;
  }

  async #compute(
    task: Task,
    id: string,
    signal: AbortSignal | undefined,
    onComputed: () => void,
    checkpoint?: TaskCheckpoint,
  ): Promise<TaskResult> {
    const start = performance.now();
    const { found = [], ...outcome } = await this.#outcome(task, id, signal, checkpoint);
    const elapsedMs = performance.now() - start;
    onComputed();
    return create(TaskResultSchema, {
      ...outcome,
      artifacts: await this.#store(found),
      taskId: id,
      elapsedMs,
      hardware: { ...this.hardware },
    });
  }

  async #outcome(
    task: Task,
    id: string,
    signal: AbortSignal | undefined,
    checkpoint: TaskCheckpoint | undefined,
  ): Promise<Outcome> {
    const { store } = this.#options;
    const { kind } = task;
    switch (kind.case) {
      case 'program': {
        const setting = { store, files: this.#files, pool: this.#pool };
        return this.#keep(await executeProgram(kind.value, setting, this.#request(id, signal)));
      }
      case 'merge':
        return this.#keep(
          await this.#pool.run('merge', kind.value, { what: 'the merge of sums', signal }),
        );
      case 'eigen': {
        const setting = { store, linalg: this.#linalg };
        const pairs = unlessAborted(runEigen(kind.value, setting), signal, 'a decomposition');
        return this.#keep(await pairs);
      }
      case 'structure': {
        const setting = { store, linalg: this.#linalg };
        return this.#keep(await runStructure(kind.value, setting));
      }
      case 'fullHessian': {
        const setting = { store, linalg: this.#linalg };
        const found = runFullHessian(kind.value, setting);
        return this.#keep(await unlessAborted(found, signal, 'the full Hessian'));
      }
      case 'evaluate':
        return await executeEvaluate(kind.value, this.#pool, signal);
      case 'describeData': {
        const described = executeDescribeData(kind.value, this.#files);
        return { arrays: await unlessAborted(described, signal, 'the reading of the data') };
      }
      case 'curvature':
        return this.#keep(await this.#curvature(kind.value, id, signal));
      case 'posterior':
        return await this.#posterior(kind.value, this.#request(id, signal), checkpoint);
      case 'posteriorDraws':
        return this.#keep(
          await executePosteriorDraws(
            kind.value,
            this.#posteriorSetting(),
            this.#request(id, signal),
          ),
        );
      case 'empty':
        return {};
      case undefined:
        throw new KronlensError('bad-task', 'a task without a kind cannot be executed');
    }
  }

  async #posterior(
    task: PosteriorTask,
    request: ProgramRequest,
    checkpoint: TaskCheckpoint | undefined,
  ): Promise<Outcome> {
    if (checkpoint === undefined) throw new Error('a posterior task is recorded');
    const found = await executePosterior(task, this.#posteriorSetting(), request, checkpoint);
    return { found, parts: checkpoint.parts };
  }

  #posteriorSetting(): PosteriorSetting {
    return {
      store: this.#options.store,
      files: this.#files,
      pool: this.#pool,
      linalg: this.#linalg,
    };
  }

  #request(id: string, signal: AbortSignal | undefined): CurvatureRequest {
    const onProgress = (done: number, total: number, what = '') =>
      this.#report(id, done, total, what);
    return { signal, onProgress };
  }

  async #curvature(
    task: CurvatureTask,
    id: string,
    signal: AbortSignal | undefined,
  ): Promise<readonly TaskArtifact[]> {
    const setting = {
      store: this.#options.store,
      files: this.#files,
      pool: this.#pool,
      linalg: this.#linalg,
      threads: () => Math.floor(this.#options.parallelism / this.#iterations.size),
    };
    const running = executeCurvature(task, setting, this.#request(id, signal));
    this.#iterations.add(running);
    return await running.finally(() => this.#iterations.delete(running));
  }

  /** What was computed is to be stored with the result. */
  #keep(found: readonly TaskArtifact[]): Outcome {
    return { found };
  }

  async #store(found: readonly TaskArtifact[]): Promise<ArtifactRef[]> {
    const artifacts: ArtifactRef[] = [];
    for (const { name, bytes, id: known } of found) {
      const id = await this.#options.store.put(bytes, known);
      const ref = { name, id, byteLength: BigInt(bytes.byteLength) };
      artifacts.push(create(ArtifactRefSchema, ref));
    }
    return artifacts;
  }

  #report(id: string, done: number, total: number, what: string): void {
    const counts = { done: BigInt(done), total: BigInt(total) };
    this.#options.onProgress?.(create(ProgressSchema, { taskId: id, ...counts, what }));
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#pool.close();
    await Promise.allSettled(this.#iterations);
    await this.#linalg.close();
    await this.#files.close();
  }
}

/**
 * An executor of this process.
 * @throws BadInputError when the device or the number of threads cannot be had;
 *   LinearAlgebraMissingError when LAPACK was asked for and is not there
 */
export async function createExecutor(options: ExecutorOptions): Promise<Executor> {
  const device: string = options.device;
  if (device !== 'cpu') {
    throw new BadInputError(
      'bad-device',
      `programs cannot run on '${device}' yet; use --device cpu`,
    );
  }
  const { parallelism } = options;
  if (!Number.isSafeInteger(parallelism) || parallelism < 1) {
    throw new BadInputError('bad-parallelism', `${parallelism} worker threads cannot be started`);
  }
  const linalg = await createLinearAlgebra(options.linalg);
  return new LocalExecutor(options, linalg, await describeHardware(linalg.library));
}
