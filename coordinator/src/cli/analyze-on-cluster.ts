// kronlens analyze --nats where a coordinator serves: submits the run, follows it, fetches its results.
import { access } from 'node:fs/promises';
import { join } from 'node:path';
import { BadInputError } from '@kronlens/proto';
import type { AnalysisRequest } from '../plan/prepare-run.js';
import type { ProgressSink } from '../plan/progress-sink.js';
import { RECORD_FILE, type RunRecord } from '../plan/run-record.js';
import type { ClusterClient } from '../service/client.js';
import { attachAdvice, followToTheEnd, openClient } from './cluster-client.js';
import type { ClusterParsed } from './cluster-options.js';
import { interruptible } from './interruption.js';

export const COORDINATORS = ['auto', 'cluster', 'self'] as const;

export interface OnCluster extends ClusterParsed {
  readonly nats: string;
  readonly coordinator: (typeof COORDINATORS)[number];
  readonly detach?: true;
}

/** What came of handing a run to a coordinator. */
export type HandedOver =
  | { readonly kind: 'finished'; readonly record: RunRecord }
  | { readonly kind: 'detached'; readonly run: string; readonly advice: string }
  /** This process is to coordinate the run. */
  | { readonly kind: 'refused' };

const exists = (path: string) =>
  access(path).then(
    () => true,
    () => false,
  );

async function submit(
  client: ClusterClient,
  request: AnalysisRequest,
  parsed: OnCluster,
  progress: ProgressSink,
): Promise<string | undefined> {
  const { out, resume } = request.execution;
  const { awaitNoRun, makeReady, pendingRun, requireFreeFor } = await import(
    '../service/pending-run.js'
  );
  const pending = await pendingRun(out);
  if (resume && pending !== undefined) return (await client.find(pending.run)).run;
  const hello = await client.coordinator();
  if (hello === undefined) {
    if (parsed.coordinator === 'cluster' || parsed.detach)
      throw new BadInputError(
        'no-coordinator',
        `no coordinator of this version serves at ${client.url}; start one with kronlens serve --nats ${client.url}`,
      );
    progress.note(
      `no coordinator serves at ${client.url}: this command coordinates its run itself`,
    );
    return undefined;
  }
  const { parseStore } = await import('@kronlens/proto/nats');
  if (parsed.store !== 'nats' && parseStore(parsed.store) !== hello.store)
    throw new BadInputError(
      'other-store',
      `the coordinator at ${client.url} keeps artifacts in ${hello.store}, not in ${parsed.store}; leave out --store`,
    );
  await requireFreeFor(out, undefined);
  if (!parsed.detach) await makeReady(out);
  const run = await client.submit(request, hello).catch(async (error: unknown) => {
    if (!parsed.detach) await awaitNoRun(out);
    throw error;
  });
  progress.note(`run ${run} is submitted to ${client.url}`);
  return run;
}

/**
 * Hands the run to the cluster's coordinator where there is one.
 * @throws KronlensError: why the run failed; InterruptedError, while the run goes on
 */
export async function analyzeOnCluster(
  request: AnalysisRequest,
  parsed: OnCluster,
  progress: ProgressSink,
): Promise<HandedOver> {
  const { out } = request.execution;
  // What this command began in a folder it finishes itself.
  if (parsed.coordinator === 'self' || (await exists(join(out, RECORD_FILE))))
    return { kind: 'refused' };
  let advice: string | undefined;
  return await interruptible(
    () => advice,
    async (signal): Promise<HandedOver> => {
      const client = await openClient(parsed.nats, parsed, signal);
      try {
        const run = await submit(client, request, parsed, progress);
        if (run === undefined) return { kind: 'refused' };
        advice = attachAdvice(run, client.url, out);
        if (parsed.detach) return { kind: 'detached', run, advice };
        const record = await followToTheEnd(client, { run }, out, false, progress);
        return { kind: 'finished', record };
      } finally {
        await client.close();
      }
    },
  );
}
