// kronlens cancel: ends a run on a cluster.
import { Command } from 'commander';
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
}

async function cancel(name: string, parsed: Parsed, terminal: Terminal): Promise<void> {
  const { hasEnded, statusWord } = await import('../service/run-status.js');
  await interruptible(undefined, async (signal) => {
    const client = await openClient(parsed.nats, parsed, signal);
    try {
      const state = await client.find(name);
      if (hasEnded(state)) return terminal.err(`run ${state.run} is ${statusWord(state)} already`);
      await client.cancel(state.run);
      terminal.err(`run ${state.run} is being cancelled`);
    } finally {
      await client.close();
    }
  });
}

export function cancelCommand(terminal: Terminal): Command {
  const command = new Command('cancel')
    .description('end a run on a cluster; its results so far stay for later runs')
    .argument('<run>', 'name of the run, or the beginning of it')
    .addOption(natsOption());
  return addCredentialOptions(command)
    .addHelpText('after', CLUSTER_HELP)
    .action((name: string, parsed: Parsed) => cancel(name, parsed, terminal));
}
