// What the commands that talk to a cluster's coordinator share: the connection, the way to a run's results.
import type { RunState } from '@kronlens/proto/nats';
import type { ProgressSink } from '../plan/progress-sink.js';
import type { RunRecord } from '../plan/run-record.js';
import { readRecord } from '../plan/run-record.js';
import type { ClusterClient } from '../service/client.js';
import { type CredentialsParsed, linkOptions } from './cluster-options.js';

/** The connection of a command; the code for it is loaded when it is needed. */
export async function openClient(
  nats: string,
  parsed: CredentialsParsed,
  signal: AbortSignal,
): Promise<ClusterClient> {
  const { withEnvironment } = await import('@kronlens/proto/nats');
  const { ClusterClient } = await import('../service/client.js');
  const options = withEnvironment(
    { ...linkOptions(nats, parsed), name: 'kronlens client', role: 'coordinator' },
    process.env,
  );
  return await ClusterClient.open(options, signal);
}

/** What to do after an interruption. */
export function attachAdvice(run: string, url: string, out: string): string {
  return `the run goes on on the cluster; kronlens attach ${run} --nats ${url} --out ${out} takes it up again, kronlens cancel ${run} --nats ${url} ends it`;
}

/**
 * Shows how a run gets on, and fetches its results into a folder.
 * @param keep leave the results on the cluster as well
 * @throws KronlensError: why the run failed
 */
export async function followToTheEnd(
  client: ClusterClient,
  { run }: Pick<RunState, 'run'>,
  out: string,
  keep: boolean,
  progress: ProgressSink,
): Promise<RunRecord> {
  const { shownNews } = await import('../service/shown-news.js');
  const { awaitNoRun, awaitRun } = await import('../service/pending-run.js');
  const { lostArtifact } = await import('../plan/lost-artifact.js');
  await awaitRun(out, { run, url: client.url });
  const follow = async (lost?: string): Promise<RunState> => {
    const missing = () =>
      progress.note(
        `waiting: no coordinator serves at ${client.url}; start one with kronlens serve --nats ${client.url}`,
      );
    const ended = await client.follow(run, shownNews(progress), missing, lost);
    progress.end();
    return ended;
  };
  /** @returns whether the results are there; false: the server has lost a part of them */
  const fetch = async (ended: RunState, mayBeLost: boolean): Promise<boolean> => {
    try {
      await client.fetch(ended, out, keep);
      return true;
    } catch (error) {
      // Why a run failed may be a lost artifact, too: one that it could not make again.
      if (mayBeLost && ended.results !== '' && lostArtifact(error) !== undefined) {
        progress.note(`${(error as Error).message}; the results are made again`);
        return false;
      }
      await awaitNoRun(out);
      throw error;
    }
  };
  const ended = await follow();
  if (!(await fetch(ended, true))) {
    await client.makeAgain(run);
    await fetch(await follow(ended.results), false);
  }
  await awaitNoRun(out);
  const record = await readRecord<RunRecord>(out, 'analyze');
  if (record === undefined) throw new Error(`the results of run ${run} hold no record`);
  return record;
}
