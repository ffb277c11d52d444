// Where a task may run: what it needs of a worker, the class that follows, and what a worker can take.
import { KronlensError } from '../errors/kronlens-error.js';
import type { Task } from '../gen/kronlens/v1/task_pb.js';

/** What a worker must have to take a task. Each class has a consumer of its own. */
export const TASK_CLASSES = ['cpu', 'large', 'gpu'] as const;
export type TaskClass = (typeof TASK_CLASSES)[number];

/** Tasks that need more memory are of class `large`; workers that have less take none of them. In bytes. */
export const LARGE_BYTES = 2 * 2 ** 30;

/** What a task needs of a worker; its result does not depend on it. */
export interface TaskNeeds {
  /** Where its programs run, e.g. `cpu`. */
  readonly device: string;
  /** Memory at its peak, as estimated, in bytes; 0: little, or not known. */
  readonly memoryBytes: number;
}

/** What a worker has. */
export interface WorkerMeans {
  readonly device: string;
  /** For all tasks together, in bytes. */
  readonly memoryBytes: number;
}

/**
 * Matrices of the size of the decomposed one that are there at the peak: the bundle that was read, the
 * matrix, the eigenvectors, two of LAPACK's dsyevd (lwork = 1 + 6n + 2n^2), and the bundle that is stored.
 */
const EIGEN_MATRICES = 6;

/** @param device where the run's programs run */
export function taskNeeds({ kind }: Task, device: string): TaskNeeds {
  switch (kind.case) {
    case 'eigen':
      return { device: 'cpu', memoryBytes: EIGEN_MATRICES * 8 * Number(kind.value.size) ** 2 };
    case 'program':
    case 'curvature':
      return { device, memoryBytes: Number(kind.value.peakBytes) };
    default:
      return { device: 'cpu', memoryBytes: 0 };
  }
}

export function taskClass({ device, memoryBytes }: TaskNeeds): TaskClass {
  if (device !== 'cpu') return 'gpu';
  return memoryBytes > LARGE_BYTES ? 'large' : 'cpu';
}

/** Classes that a worker takes tasks of, the scarcest first. */
export function workerClasses({ device, memoryBytes }: WorkerMeans): readonly TaskClass[] {
  const has = { gpu: device !== 'cpu', large: memoryBytes > LARGE_BYTES, cpu: true };
  return (['gpu', 'large', 'cpu'] as const).filter((name) => has[name]);
}

/** Whether a worker can do a task. Workers with another device do what the processor does as well. */
export function canTake(means: WorkerMeans, needs: TaskNeeds): boolean {
  const hasDevice = needs.device === 'cpu' || needs.device === means.device;
  return hasDevice && needs.memoryBytes <= means.memoryBytes;
}

/** This worker cannot do the task; another one may. */
export class NotForThisWorkerError extends KronlensError {
  constructor(what: string, needs: TaskNeeds) {
    super('not-for-this-worker', `${what} needs ${needsInWords(needs)}`, { retryable: true });
  }
}

/** For example `12.3 GiB of memory`. */
export function needsInWords({ device, memoryBytes }: TaskNeeds): string {
  const memory = `${(memoryBytes / 2 ** 30).toFixed(1)} GiB of memory`;
  if (device === 'cpu') return memory;
  return memoryBytes === 0 ? `the device ${device}` : `the device ${device} and ${memory}`;
}
