// Opens what executes a command's tasks: this process, or the workers of a cluster.
import { join } from 'node:path';
import { type EmbeddedOptions, openEmbedded } from '../embedded.js';
import { WORK_FOLDER } from '../plan/output-folder.js';
import type { ProgressSink } from '../plan/progress-sink.js';
import { type ClusterParsed, linkOptions } from './cluster-options.js';

/** Where and how a command computes, as commander parses it. */
export interface EngineParsed
  extends ClusterParsed,
    Pick<EmbeddedOptions, 'parallel' | 'device' | 'linalg'> {
  readonly out: string;
  readonly nats?: string;
}

export async function openEngine(
  parsed: EngineParsed,
  signal: AbortSignal,
  progress: ProgressSink,
) {
  if (parsed.nats === undefined)
    return await openEmbedded({
      storeFolder: join(parsed.out, WORK_FOLDER),
      parallel: parsed.parallel,
      signal,
      device: parsed.device,
      linalg: parsed.linalg,
    });
  // Loaded here since runs without a server need none of it.
  const { openCluster, parseStore } = await import('../cluster/open-cluster.js');
  return await openCluster({
    link: linkOptions(parsed.nats, parsed),
    store: parseStore(parsed.store),
    signal,
    note: (line) => progress.note(line),
  });
}
