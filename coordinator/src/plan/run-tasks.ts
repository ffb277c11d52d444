// Runs one task a job and handles the results one at a time, so that only one is in memory.
import { type Task, type TaskResult, taskId } from '@kronlens/proto';
import type { Engine } from './engine.js';
import type { StageProgress } from './stage-progress.js';

export interface TaskRun<Job> {
  /** In the order in which they are to start. */
  readonly jobs: readonly Job[];
  task(job: Job): Task | Promise<Task>;
  /** Gets each result, in the order of the jobs. */
  handle(job: Job, result: TaskResult): Promise<void>;
}

/** @param seen is told of every result, recorded ones included */
export async function runTasks<Job>(
  engine: Engine,
  { jobs, task, handle }: TaskRun<Job>,
  progress: StageProgress,
  seen: (result: TaskResult) => void,
): Promise<void> {
  const running = jobs.map(async (job) => {
    const made = await task(job);
    const id = taskId(made);
    progress.expect(id, 1);
    const result = await engine.queue.submit(made);
    progress.finish(id);
    seen(result);
    return { job, result };
  });
  // A failure refuses all the others too: they are looked at here so that none goes unnoticed.
  const settled = Promise.allSettled(running);
  try {
    for (const next of running) {
      const { job, result } = await next;
      await handle(job, result);
    }
  } finally {
    await settled;
  }
}
