// kronlens runs: lists the runs that a cluster knows.
import { Command } from 'commander';
import { textTable } from '../report/text-table.js';
import { openClient } from './cluster-client.js';
import {
  addCredentialOptions,
  CLUSTER_HELP,
  type CredentialsParsed,
  natsOption,
} from './cluster-options.js';
import { interruptible } from './interruption.js';
import type { Terminal } from './terminal.js';

interface Parsed extends CredentialsParsed {
  readonly nats: string;
  readonly json?: true;
}

/** What programs read of a run. */
interface ListedRun {
  readonly run: string;
  readonly status: string;
  readonly model: string;
  readonly version: string;
  readonly submitted: string;
  readonly started: string | null;
  readonly ended: string | null;
  readonly fetched: string | null;
  readonly coordinator: string | null;
  readonly error: string | null;
}

async function list(parsed: Parsed, terminal: Terminal): Promise<void> {
  const { statusWord } = await import('../service/run-status.js');
  const states = await interruptible(undefined, async (signal) => {
    const client = await openClient(parsed.nats, parsed, signal);
    try {
      return await client.runs();
    } finally {
      await client.close();
    }
  });
  const time = (ms: bigint) => (ms === 0n ? null : new Date(Number(ms)).toISOString());
  const runs = states.map(
    (state): ListedRun => ({
      run: state.run,
      status: statusWord(state),
      model: state.model,
      version: state.codeVersion,
      submitted: new Date(Number(state.submittedMs)).toISOString(),
      started: time(state.startedMs),
      ended: time(state.endedMs),
      fetched: time(state.fetchedMs),
      coordinator: state.coordinator === '' ? null : state.coordinator,
      error: state.error?.message ?? null,
    }),
  );
  if (parsed.json) return terminal.out(JSON.stringify(runs, null, 2));
  const columns = ['run', 'status', 'submitted', 'model', ''].map((title) => ({
    title,
    align: 'left' as const,
  }));
  const rows = runs.map(({ run, status, submitted, model, error, fetched }) => [
    run,
    status,
    submitted.slice(0, 19).replace('T', ' '),
    model,
    error ?? (fetched === null ? '' : 'fetched'),
  ]);
  for (const line of textTable(columns, rows)) terminal.out(line);
}

export function runsCommand(terminal: Terminal): Command {
  const command = new Command('runs')
    .description('list the runs of a cluster, in the order of their submission')
    .addOption(natsOption())
    .option('--json', 'print them as JSON');
  return addCredentialOptions(command)
    .addHelpText('after', `${CLUSTER_HELP}\n\nTimes are UTC.`)
    .action((parsed: Parsed) => list(parsed, terminal));
}
