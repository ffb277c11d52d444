// kronlens worker: executes the tasks of a cluster's runs until it is told to leave.
import { availableParallelism, totalmem } from 'node:os';
import { Command, Option } from 'commander';
import { runWorker } from '../embedded.js';
import { LINALGS } from '../plan/options.js';
import { CODE_VERSION } from '../version.js';
import {
  addClusterOptions,
  CLUSTER_HELP,
  type ClusterParsed,
  linkOptions,
  natsOption,
} from './cluster-options.js';
import { choice, httpAddress, memorySize, positiveInteger, wholeNumber } from './option-values.js';
import type { Terminal } from './terminal.js';

interface Parsed extends ClusterParsed {
  readonly nats: string;
  readonly concurrency: number;
  readonly device: 'cpu';
  readonly linalg: (typeof LINALGS)[number];
  readonly memory: number;
  readonly http?: { readonly host: string; readonly port: number };
  readonly drain: number;
}

const EXAMPLES = `
A worker takes tasks as it has room for them. On SIGTERM or SIGINT it takes no more, finishes those that
it has within --drain seconds, hands back the others and leaves; on a second signal it leaves at once.
It may be killed at any time: its tasks are given to others.
${CLUSTER_HELP}

Examples:
  kronlens worker --nats nats://head:4222
  kronlens worker --nats nats://head:4222 --store file:///shared/kronlens --concurrency 8`;

/** Four fifths of the machine's memory, or of what the container may use. */
function defaultMemory(): number {
  const allowed = process.constrainedMemory?.() ?? 0;
  return Math.floor(0.8 * (allowed > 0 ? Math.min(allowed, totalmem()) : totalmem()));
}

/** Turns signals into a drain first and a stop afterwards. */
function leaving(drainSeconds: number, terminal: Terminal) {
  const drain = new AbortController();
  const stop = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  const leave = () => {
    if (drain.signal.aborted) return stop.abort();
    terminal.err('leaving: no new tasks are taken');
    drain.abort();
    timer = setTimeout(() => stop.abort(), 1000 * drainSeconds);
  };
  for (const name of ['SIGTERM', 'SIGINT'] as const) process.on(name, leave);
  return { drain: drain.signal, stop: stop.signal, over: () => clearTimeout(timer) };
}

async function work(parsed: Parsed, terminal: Terminal): Promise<void> {
  const { parseStore } = await import('@kronlens/proto/nats');
  const store = parseStore(parsed.store);
  const { drain, stop, over } = leaving(parsed.drain, terminal);
  const { concurrency, device, linalg, memory: memoryBytes, http } = parsed;
  try {
    await runWorker({
      link: linkOptions(parsed.nats, parsed),
      store,
      codeVersion: CODE_VERSION,
      concurrency,
      device,
      linalg,
      memoryBytes,
      http,
      log: (line) => terminal.err(line),
      drain,
      stop,
    });
  } finally {
    over();
  }
}

export function workerCommand(terminal: Terminal): Command {
  const command = new Command('worker')
    .description('execute the tasks of a cluster')
    .addOption(natsOption())
    .option('--concurrency <n>', 'tasks at a time', positiveInteger, availableParallelism());
  return addClusterOptions(command)
    .option('--device <name>', 'cpu', choice(['cpu'] as const, ['cuda', 'webgpu']), 'cpu' as const)
    .option('--linalg <name>', LINALGS.join(', '), choice(LINALGS), 'auto' as const)
    .addOption(
      new Option('--memory <size>', 'memory for all its tasks together, e.g. 64G')
        .argParser(memorySize)
        .default(defaultMemory(), 'four fifths of the machine'),
    )
    .option(
      '--http <address>',
      'answer /healthz and /metrics there, e.g. 9464 (on loopback) or 0.0.0.0:9464',
      httpAddress,
    )
    .option('--drain <seconds>', 'time to finish tasks when it leaves', wholeNumber, 60)
    .addHelpText('after', EXAMPLES)
    .action((parsed: Parsed) => work(parsed, terminal));
}
