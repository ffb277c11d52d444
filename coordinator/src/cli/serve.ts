// kronlens serve: the coordinator of a cluster, which plans the runs that users submit.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command } from 'commander';
import {
  addClusterOptions,
  CLUSTER_HELP,
  type ClusterParsed,
  linkOptions,
  natsOption,
} from './cluster-options.js';
import { httpAddress, positiveInteger, positiveNumber } from './option-values.js';
import type { Terminal } from './terminal.js';

interface Parsed extends ClusterParsed {
  readonly nats: string;
  readonly runs: number;
  readonly lease: number;
  readonly keep?: number;
  readonly http?: { readonly host: string; readonly port: number };
  readonly work?: string;
}

const DAY_MS = 24 * 60 * 60_000;
const DEFAULT_RUNS = 8;
const DEFAULT_LEASE = 10;

const EXAMPLES = `
Accepts runs from kronlens analyze --nats. Runs share the workers equally. What a coordinator knows is
on the NATS server: it may be killed at any time, and the next one goes on. Of several
coordinators one is active; another takes over when its lease was not renewed for --lease seconds.
${CLUSTER_HELP}

Examples:
  kronlens serve --nats nats://head:4222
  kronlens serve --nats nats://head:4222 --store file:///shared/kronlens --runs 4`;

/** A signal that SIGTERM and SIGINT abort; a second one ends the process. */
function untilTold(terminal: Terminal): AbortSignal {
  const controller = new AbortController();
  const leave = () => {
    if (controller.signal.aborted) process.exit(1);
    terminal.err('leaving: runs go on with the next coordinator');
    controller.abort();
  };
  for (const name of ['SIGTERM', 'SIGINT'] as const) process.on(name, leave);
  return controller.signal;
}

async function run(parsed: Parsed, terminal: Terminal): Promise<void> {
  // Loaded here since other commands need none of it.
  const { parseStore, withEnvironment } = await import('@kronlens/proto/nats');
  const { serve } = await import('../service/coordinator.js');
  const store = parseStore(parsed.store);
  const link = withEnvironment(
    { ...linkOptions(parsed.nats, parsed), name: 'kronlens serve', role: 'coordinator' },
    process.env,
  );
  const folder = await mkdtemp(join(parsed.work ?? tmpdir(), 'kronlens-serve-'));
  try {
    await serve({
      link,
      store,
      runs: parsed.runs,
      leaseMs: Math.round(1000 * parsed.lease),
      keepMs: parsed.keep === undefined ? undefined : parsed.keep * DAY_MS,
      folder,
      http: parsed.http,
      log: (line) => terminal.err(line),
      signal: untilTold(terminal),
    });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

export function serveCommand(terminal: Terminal): Command {
  const command = new Command('serve')
    .description('coordinate the runs of a cluster')
    .addOption(natsOption())
    .option('--runs <n>', 'runs at a time; others wait', positiveInteger, DEFAULT_RUNS)
    .option(
      '--lease <seconds>',
      'another coordinator may take over after so long',
      positiveNumber,
      DEFAULT_LEASE,
    )
    .option(
      '--keep <days>',
      'what is on the server is kept for so long; set when the server is set up (default: 7)',
      positiveNumber,
    )
    .option(
      '--http <address>',
      'answer /healthz and /metrics there, e.g. 9464 (on loopback) or 0.0.0.0:9464',
      httpAddress,
    )
    .option('--work <folder>', "for the runs' files while they last (default: a temporary folder)");
  return addClusterOptions(command)
    .addHelpText('after', EXAMPLES)
    .action((parsed: Parsed) => run(parsed, terminal));
}
