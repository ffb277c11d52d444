// kronlens gc: removes from a cluster's store what no run needs any more.
import { Command } from 'commander';
import { openClient } from './cluster-client.js';
import {
  addClusterOptions,
  CLUSTER_HELP,
  type ClusterParsed,
  natsOption,
} from './cluster-options.js';
import { interruptible } from './interruption.js';
import { atLeastZero } from './option-values.js';
import type { Terminal } from './terminal.js';

interface Parsed extends ClusterParsed {
  readonly nats: string;
  readonly olderThan: number;
  readonly dryRun?: true;
}

const DAY_MS = 24 * 60 * 60_000;

const EXAMPLES = `
Results that were not fetched yet stay, and nothing is removed while runs go on. What is removed has to be
computed again by later runs that could have used it. On the NATS server everything goes by itself after
the time that serve --keep gives; a shared folder keeps it until it is collected.

Examples:
  kronlens gc --nats nats://head:4222 --older-than 7 --dry-run
  kronlens gc --nats nats://head:4222 --store file:///shared/kronlens --older-than 0
${CLUSTER_HELP}`;

async function run(parsed: Parsed, terminal: Terminal): Promise<void> {
  const { NATS_STORE, parseStore } = await import('@kronlens/proto/nats');
  const { olderThan, dryRun = false } = parsed;
  await interruptible(undefined, async (signal) => {
    const client = await openClient(parsed.nats, parsed, signal);
    try {
      const named = parseStore(parsed.store);
      const store = named === NATS_STORE ? ((await client.coordinator())?.store ?? named) : named;
      const beforeMs = Date.now() - olderThan * DAY_MS;
      const { artifacts, bytes } = await client.collectGarbage(store, { beforeMs, dryRun });
      const what = `${artifacts.toLocaleString('en')} artifacts, ${(bytes / 1e6).toFixed(1)} MB`;
      terminal.err(`${dryRun ? 'would remove' : 'removed'} ${what} in ${store} at ${client.url}`);
    } finally {
      await client.close();
    }
  });
}

export function gcCommand(terminal: Terminal): Command {
  const command = new Command('gc')
    .description("remove from a cluster's store what no run needs any more")
    .addOption(natsOption())
    .option('--older-than <days>', 'leave what was stored within so many days', atLeastZero, 1)
    .option('--dry-run', 'say what would be removed, and remove nothing');
  return addClusterOptions(command)
    .addHelpText('after', EXAMPLES)
    .action((parsed: Parsed) => run(parsed, terminal));
}
