// Says when a run waits because no worker of its version is there, and again when one is.
import {
  BUCKETS,
  type NatsLink,
  Records,
  type WorkerEntry,
  WorkerEntrySchema,
} from '@kronlens/proto/nats';
import { CODE_VERSION } from '../version.js';

const LOOK_MS = 5000;

/** What is wrong with the workers that are there; undefined when some can work for this version. */
export function whyNobodyWorks(
  workers: readonly WorkerEntry[],
  codeVersion: string,
  url: string,
): string | undefined {
  if (workers.some((worker) => worker.codeVersion === codeVersion)) return undefined;
  if (workers.length === 0)
    return `no worker is connected to ${url}; start some with kronlens worker --nats ${url}`;
  const others = [...new Set(workers.map((worker) => worker.codeVersion))].sort().join(', ');
  return `all workers at ${url} are of another version (${others}); this is ${codeVersion}`;
}

/**
 * Looks at the workers now and then.
 * @param note takes a line for the user
 * @returns what ends it
 */
export function watchWorkers(link: NatsLink, note: (line: string) => void): () => void {
  const records = new Records(link, BUCKETS.workers, WorkerEntrySchema);
  let waiting = false;
  let looking = false;
  const look = async () => {
    if (looking) return;
    looking = true;
    try {
      const why = whyNobodyWorks(await records.all(), CODE_VERSION, link.url);
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
