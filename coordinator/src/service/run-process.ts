// The process of one run: plans it, has its tasks executed by workers, stores the result folder.
import { rmSync } from 'node:fs';
import { mkdir, readdir, rm, stat } from 'node:fs/promises';
import { join, sep } from 'node:path';
import {
  BadInputError,
  CancelledError,
  create,
  type ErrorReport,
  toErrorReport,
} from '@kronlens/proto';
import {
  BUCKETS,
  NatsLink,
  openStore,
  Records,
  type RunState,
  RunStateSchema,
  RunStatus,
} from '@kronlens/proto/nats';
import { openRunEngine } from '../cluster/open-cluster.js';
import { UnsupportedOpError } from '../graph/index.js';
import { forgetLost } from '../plan/lost-artifact.js';
import { runAnalysis } from '../plan/run-analysis.js';
import { RECORD_FILE } from '../plan/run-record.js';
import { UsageError } from '../plan/usage-error.js';
import { LeaseClock } from './lease-clock.js';
import { NewsSink } from './news-sink.js';
import { RUN_EXIT, type RunMessage, type StartMessage } from './run-messages.js';
import { openRequest } from './run-request.js';
import { SendWindow } from './send-window.js';
import { storeFolder } from './stored-folder.js';

/** A run goes on so many times after the same artifact was lost: that of its request nobody can make again. */
const MOST_LOSSES = 2;

/** The coordinator stops; the run does not. */
class StoppedError extends CancelledError {
  constructor() {
    super('the coordinator');
  }
}

/** Another coordinator has taken the run. */
class FencedError extends Error {
  override readonly name = 'FencedError';
}

/** Errors of the command line stay the user's to mend on their way to the user. */
function reportOf(error: unknown): ErrorReport {
  const badInput = error instanceof UsageError || error instanceof UnsupportedOpError;
  return toErrorReport(badInput ? new BadInputError('bad-input', error.message, {}, error) : error);
}

/** Files of a finished run, the record of it last: what has it is whole. */
async function resultFiles(folder: string): Promise<readonly string[]> {
  const found: string[] = [];
  for (const name of await readdir(folder, { recursive: true }))
    if ((await stat(join(folder, name))).isFile()) found.push(name.split(sep).join('/'));
  return [...found.filter((name) => name !== RECORD_FILE).sort(), RECORD_FILE];
}

class RunProcess {
  readonly #lease = new LeaseClock();
  readonly #ending = new AbortController();
  readonly #window = new SendWindow();

  hear(message: RunMessage): void {
    if (message.kind === 'lease') this.#lease.extend(BigInt(message.untilNs));
    else if (message.kind === 'window') this.#window.set(message.share, message.most);
    else if (message.kind === 'cancel') this.#ending.abort(new CancelledError('the run'));
    else if (message.kind === 'stop') this.#ending.abort(new StoppedError());
  }

  /** @returns the exit code */
  async run({ run, revision, link: options, folder }: StartMessage): Promise<number> {
    const link = await NatsLink.open(options);
    const states = new Records(link, BUCKETS.runs, RunStateSchema);
    const news = new NewsSink(link, run);
    try {
      const entry = await states.entry(run);
      if (entry === undefined || entry.revision !== revision) throw new FencedError();
      const outcome = await this.#outcome(link, entry.message, folder, news);
      await this.#lease.held();
      const ended = { ...entry.message, ...outcome, endedMs: BigInt(Date.now()) };
      const written = await states.replace(run, create(RunStateSchema, ended), revision);
      if (written === undefined) throw new FencedError();
      return RUN_EXIT.settled;
    } catch (error) {
      if (error instanceof StoppedError) return RUN_EXIT.stopped;
      if (error instanceof FencedError) return RUN_EXIT.fenced;
      throw error;
    } finally {
      news.close();
      await link.close();
      await rm(folder, { recursive: true, force: true });
    }
  }

  /** @throws StoppedError when nothing is decided */
  async #outcome(
    link: NatsLink,
    state: RunState,
    folder: string,
    news: NewsSink,
  ): Promise<Partial<RunState>> {
    const lost: string[] = [];
    for (;;) {
      try {
        const results = await this.#analyse(link, state, folder, news);
        return { status: RunStatus.FINISHED, results };
      } catch (error) {
        const { aborted, reason } = this.#ending.signal;
        if (aborted && reason instanceof StoppedError) throw reason;
        if (aborted) return { status: RunStatus.CANCELLED };
        const id = await forgetLost(openStore(link, state.store), error);
        if (id === undefined || lost.filter((each) => each === id).length === MOST_LOSSES)
          return { status: RunStatus.FAILED, error: reportOf(error) };
        lost.push(id);
        news.note(`${error instanceof Error ? error.message : error}; what was lost is made again`);
      }
    }
  }

  /** @returns the content id of the result folder */
  async #analyse(
    link: NatsLink,
    { run, starts, request: id, store: storeName }: RunState,
    folder: string,
    news: NewsSink,
  ): Promise<string> {
    const { signal } = this.#ending;
    signal.throwIfAborted();
    await rm(folder, { recursive: true, force: true });
    await mkdir(folder, { recursive: true });
    const store = openStore(link, storeName);
    const { request, workingDirectory, describe } = await openRequest(store, id, folder);
    const engine = await openRunEngine({
      link,
      store: storeName,
      run,
      signal,
      note: (line) => news.note(line),
      workingDirectory,
      describe,
      window: this.#window,
      permit: () => this.#lease.held(),
    });
    try {
      await runAnalysis(request, engine, news);
    } finally {
      await engine.close();
    }
    const { out } = request.execution;
    return await storeFolder(store, out, await resultFiles(out), `${run} ${starts}`);
  }
}

const process_ = new RunProcess();
process.on('message', (message: RunMessage) => {
  if (message.kind !== 'start') return process_.hear(message);
  // Without a coordinator nobody may work on the run. It ends before anything else happens: a run that
  // found its folder gone would take that for its own failure, and record it.
  process.on('disconnect', () => {
    try {
      rmSync(message.folder, { recursive: true, force: true });
    } finally {
      process.exit(RUN_EXIT.fenced);
    }
  });
  void process_.run(message).then(
    (code) => process.exit(code),
    (error: unknown) => {
      console.error(error instanceof Error ? (error.stack ?? error.message) : error);
      process.exit(1);
    },
  );
});
// Signals of a terminal reach the whole group; what they mean for a run is the coordinator's to say.
for (const name of ['SIGINT', 'SIGTERM'] as const) process.on(name, () => {});
