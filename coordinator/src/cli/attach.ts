// kronlens attach: follows a run on a cluster to its end and fetches its results.
import { Command } from 'commander';
import { summaryOf } from '../plan/run-analysis.js';
import { renderSummary } from '../report/summary.js';
import { attachAdvice, followToTheEnd, openClient } from './cluster-client.js';
import {
  addCredentialOptions,
  CLUSTER_HELP,
  type CredentialsParsed,
  natsOption,
} from './cluster-options.js';
import { interruptible } from './interruption.js';
import { ProgressDisplay } from './progress.js';
import type { Terminal } from './terminal.js';

interface Parsed extends CredentialsParsed {
  readonly nats: string;
  readonly out: string;
  readonly keep?: true;
  readonly json?: true;
}

const EXAMPLES = `
${CLUSTER_HELP}

Examples:
  kronlens attach 5f0c9a31 --nats nats://head:4222 --out out/model
  kronlens attach 5f0c --nats nats://head:4222 --out out/model --keep`;

async function attach(name: string, parsed: Parsed, terminal: Terminal): Promise<void> {
  const { nats, out, keep, json } = parsed;
  const { requireFreeFor } = await import('../service/pending-run.js');
  let advice: string | undefined;
  const record = await interruptible(
    () => advice,
    async (signal) => {
      const client = await openClient(nats, parsed, signal);
      try {
        const state = await client.find(name);
        await requireFreeFor(out, state.run);
        advice = attachAdvice(state.run, client.url, out);
        const progress = new ProgressDisplay({ stream: process.stderr });
        return await followToTheEnd(client, state, out, keep === true, progress);
      } finally {
        await client.close();
      }
    },
  );
  const summary = summaryOf(record, out);
  if (json) terminal.out(JSON.stringify(summary, null, 2));
  else for (const line of renderSummary(summary)) terminal.out(line);
}

export function attachCommand(terminal: Terminal): Command {
  const command = new Command('attach')
    .description('follow a run on a cluster and fetch its results')
    .argument('<run>', 'name of the run, or the beginning of it')
    .addOption(natsOption())
    .requiredOption('--out <dir>', 'folder for the results; new or empty')
    .option('--keep', 'leave the results on the cluster as well')
    .option('--json', 'print the summary as JSON');
  return addCredentialOptions(command)
    .addHelpText('after', EXAMPLES)
    .action((name: string, parsed: Parsed) => attach(name, parsed, terminal));
}
