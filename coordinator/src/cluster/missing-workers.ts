// Says when a run waits because no worker that can do its tasks is there, and again when one is.
import {
  BUCKETS,
  canTake,
  type NatsLink,
  needsInWords,
  Records,
  type TaskNeeds,
  taskClass,
  type WorkerEntry,
  WorkerEntrySchema,
} from '@kronlens/proto/nats';
import { CODE_VERSION } from '../version.js';

const LOOK_MS = 5000;

/**
 * What is wrong with the workers that are there; undefined when each task has one that can do it.
 * @param needs of the tasks that wait
 */
export function whyNobodyWorks(
  workers: readonly WorkerEntry[],
  needs: readonly TaskNeeds[],
  codeVersion: string,
  url: string,
): string | undefined {
  if (workers.length === 0)
    return `no worker is connected to ${url}; start some with kronlens worker --nats ${url}`;
  const fitting = workers.filter((worker) => worker.codeVersion === codeVersion);
  if (fitting.length === 0) {
    const others = [...new Set(workers.map((worker) => worker.codeVersion))].sort().join(', ');
    return `all workers at ${url} are of another version (${others}); this is ${codeVersion}`;
  }
  const means = fitting.map(({ device, memoryBytes }) => ({
    device,
    memoryBytes: Number(memoryBytes),
  }));
  const unmet = needs.filter((need) => !means.some((have) => canTake(have, need)));
  const [worst] = unmet.sort((a, b) => b.memoryBytes - a.memoryBytes);
  if (worst === undefined) return undefined;
  const what = needsInWords(worst);
  return `no worker at ${url} can do ${unmet.length} tasks of class ${taskClass(worst)}: they need ${what}; start one that has it (kronlens worker --memory, --device)`;
}

/**
 * Looks at the workers now and then.
 * @param note takes a line for the user
 * @param needs what the tasks that wait need of workers
 * @returns what ends it
 */
export function watchWorkers(
  link: NatsLink,
  note: (line: string) => void,
  needs: () => readonly TaskNeeds[],
): () => void {
  const records = new Records(link, BUCKETS.workers, WorkerEntrySchema);
  let waiting = false;
  let looking = false;
  const look = async () => {
    if (looking) return;
    looking = true;
    try {
      const why = whyNobodyWorks(await records.all(), needs(), CODE_VERSION, link.url);
      if (why !== undefined && !waiting) note(`waiting: ${why}`);
      if (why === undefined && waiting) note('a worker is there');
      waiting = why !== undefined;
    } catch {
      // The queue says what is wrong with the server.
    } finally {
      looking = false;
    }
  };
  const timer = setInterval(() => void look(), LOOK_MS);
  void look();
  return () => clearInterval(timer);
}
