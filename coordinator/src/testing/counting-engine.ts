// An engine that computes nothing: tasks have made-up results at once. For the bookkeeping of many tasks.
import {
  ArtifactMissingError,
  ArtifactRefSchema,
  type ArtifactStore,
  contentId,
  create,
  type Task,
  type TaskResult,
  TaskResultSchema,
  taskId,
} from '@kronlens/proto';
import type { Engine } from '../plan/engine.js';
import type { IsBearable } from '../plan/queue.js';

/** Keeps which artifacts there are, not their bytes. */
class NamesStore implements ArtifactStore {
  readonly artifacts = new Set<string>();
  readonly results = new Map<string, TaskResult>();

  async put(bytes: Uint8Array): Promise<string> {
    const id = contentId(bytes);
    this.artifacts.add(id);
    return id;
  }

  async get(id: string): Promise<Uint8Array> {
    throw new ArtifactMissingError(id, 'a store of names');
  }

  async has(id: string): Promise<boolean> {
    return this.artifacts.has(id);
  }

  async delete(id: string): Promise<void> {
    this.artifacts.delete(id);
  }

  async *list() {
    for (const id of this.artifacts) yield { id, byteLength: 0, storedMs: 0 };
  }

  async putResult(id: string, result: TaskResult): Promise<void> {
    this.results.set(id, result);
  }

  async getResult(id: string): Promise<TaskResult | undefined> {
    const result = this.results.get(id);
    return result?.artifacts.every((artifact) => this.artifacts.has(artifact.id))
      ? result
      : undefined;
  }

  async *listResults() {
    yield* this.results.keys();
  }

  async deleteResult(id: string): Promise<void> {
    this.results.delete(id);
  }
}

export class CountingEngine implements Engine {
  readonly store = new NamesStore();
  readonly hardware = {};
  readonly warnings = [];
  /** Tasks that were asked for, by kind. */
  readonly counts: Record<string, number> = {};
  /** Asked for and not yet answered, at most. */
  mostWaiting = 0;
  #waiting = 0;

  readonly queue = {
    submit: async (task: Task, _isBearable?: IsBearable): Promise<TaskResult> => {
      const kind = task.kind.case ?? 'none';
      this.counts[kind] = (this.counts[kind] ?? 0) + 1;
      this.#waiting += 1;
      this.mostWaiting = Math.max(this.mostWaiting, this.#waiting);
      await new Promise(setImmediate);
      this.#waiting -= 1;
      return this.#answer(task);
    },
    idle: async () => {},
  };

  readonly evaluator = {
    evaluate: async () => {
      throw new Error('nothing is evaluated here');
    },
  };

  onProgress(): void {}

  #answer(task: Task): TaskResult {
    const { kind } = task;
    if (kind.case === 'merge')
      for (const id of kind.value.bundles)
        if (!this.store.artifacts.has(id)) throw new ArtifactMissingError(id, 'a store of names');
    const id = taskId(task);
    this.store.artifacts.add(id);
    const name = kind.case === 'eigen' ? 'eigen' : 'sums';
    const artifacts = [create(ArtifactRefSchema, { name, id })];
    return create(TaskResultSchema, { taskId: id, artifacts });
  }
}
