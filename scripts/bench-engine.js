// The engines of the benchmark: the project's executor over an artifact store in memory or in a folder.
import { loadavg } from 'node:os';
import { contentId, FolderStore } from '@kronlens/proto';
import { createExecutor } from '@kronlens/worker';
import { ConstantsFolder } from '../coordinator/dist/plan/constants-folder.js';
import { LocalQueue } from '../coordinator/dist/plan/queue.js';
import { taskEvaluator } from '../coordinator/dist/plan/task-evaluator.js';

/** An artifact store that ends with the process: what PyTorch's libraries keep their factors in, too. */
class MemoryStore {
  #artifacts = new Map();
  #results = new Map();

  async put(bytes, id = contentId(bytes)) {
    this.#artifacts.set(id, bytes);
    return id;
  }

  async get(id) {
    const bytes = this.#artifacts.get(id);
    if (bytes === undefined) throw new Error(`artifact ${id} was never put`);
    // The caller's own.
    return new Uint8Array(bytes);
  }

  async has(id) {
    return this.#artifacts.has(id);
  }

  async delete(id) {
    this.#artifacts.delete(id);
  }

  async putResult(taskId, result) {
    this.#results.set(taskId, result);
  }

  async getResult(taskId) {
    return this.#results.get(taskId);
  }
}

/**
 * @param folder where artifacts are stored; undefined keeps them in memory
 * @param parallel tasks that run at the same time
 * @param linalg LinearAlgebra backend of the executor
 */
export async function openEngine(folder, parallel, linalg = 'portable') {
  const store = folder === undefined ? new MemoryStore() : new FolderStore(folder);
  const executor = await createExecutor({
    store,
    parallelism: parallel,
    device: 'cpu',
    linalg,
  });
  const execute = (task, signal) => executor.execute(task, signal);
  const signal = new AbortController().signal;
  const constants = new ConstantsFolder();
  return {
    store,
    queue: new LocalQueue({ execute, parallelism: parallel, signal }),
    evaluator: taskEvaluator(execute, constants),
    hardware: executor.hardware,
    warnings: executor.warnings,
    onProgress() {},
    async close() {
      await executor.close();
      constants.close();
    },
  };
}

/** Says what else the machine was doing. */
export function printLoad() {
  const loads = loadavg().map((load) => load.toFixed(2));
  console.log(`load average before: ${loads.join(' ')}`);
}
