// What a run needs of whoever executes its tasks: embedded in this process, or a cluster.
import type { ArtifactStore, Progress } from '@kronlens/proto';
import type { Evaluator } from '../graph/index.js';
import type { Queue } from './queue.js';

export interface Engine {
  /** Artifacts and recorded results. */
  readonly store: ArtifactStore;
  readonly queue: Queue;
  readonly evaluator: Evaluator;
  /** What computes: processor, providers, linear algebra backend. */
  readonly hardware: Readonly<Record<string, string>>;
  /** What makes work slower than it need be, and what to do about it; for the user. */
  readonly warnings: readonly string[];
  /** Calls `listener` with the progress of running tasks; one listener at a time. */
  onProgress(listener: (progress: Progress) => void): void;
}
