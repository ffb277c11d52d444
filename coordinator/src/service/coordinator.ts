// The coordinator service: holds the lease, starts a process for every run, sees to what is wanted of runs.
import { randomBytes } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { create, KronlensError, toErrorReport } from '@kronlens/proto';
import {
  BUCKETS,
  ClusterMissingError,
  CoordinatorHelloSchema,
  encodeHello,
  helloSubject,
  type LinkOptions,
  NatsLink,
  openStore,
  Records,
  RunStatus,
  setUpCluster,
  token,
  WorkerEntrySchema,
  wakeSubject,
} from '@kronlens/proto/nats';
import { answerStatus, type HttpAddress, type StatusServer } from '@kronlens/proto/status';
import { CODE_VERSION } from '../version.js';
import { coordinatorMetrics } from './coordinator-metrics.js';
import { Lease } from './lease.js';
import { RunBoard, type RunEntry } from './run-board.js';
import { RunHandle } from './run-handle.js';
import { hasEnded } from './run-status.js';
import { fairShare } from './send-window.js';
import { removeStoredFolder } from './stored-folder.js';

/** How often a coordinator looks for what nobody told it. */
const LOOK_MS = 1000;
/** A run whose process crashes so often fails. */
const MOST_CRASHES = 3;

export interface CoordinatorOptions {
  readonly link: LinkOptions;
  /** Where artifacts are, as `parseStore` gives it. */
  readonly store: string;
  /** Runs at a time; others wait. */
  readonly runs: number;
  readonly leaseMs: number;
  /** Of the server's streams and buckets, where they are not set up yet. */
  readonly keepMs: number | undefined;
  /** A folder for what runs have on disk while they last. */
  readonly folder: string;
  /** Where /healthz and /metrics are answered; undefined: nowhere. */
  readonly http: HttpAddress | undefined;
  /** Told of what people should know. */
  readonly log: (line: string) => void;
  /** Ends the service; runs go on with the next coordinator. */
  readonly signal: AbortSignal;
}

class Coordinator {
  readonly #options: CoordinatorOptions;
  readonly #link: NatsLink;
  readonly #name: string;
  readonly #lease: Lease;
  readonly #board: RunBoard;
  readonly #handles = new Map<string, RunHandle>();
  readonly #crashes = new Map<string, number>();
  #woken = true;
  #isActive = false;
  #waiting = 0;
  #workers = 0;
  #slots = 0;

  constructor(options: CoordinatorOptions, link: NatsLink, name: string) {
    this.#options = options;
    this.#link = link;
    this.#name = name;
    this.#lease = new Lease({ link, codeVersion: CODE_VERSION, name, ttlMs: options.leaseMs });
    this.#board = new RunBoard(link);
  }

  /** Answers how it is, where that is wanted. */
  async answer(): Promise<StatusServer | undefined> {
    const { http, store, log } = this.#options;
    const facts = { name: this.#name, version: CODE_VERSION, store };
    const metrics = coordinatorMetrics(facts, {
      isActive: () => this.#isActive,
      isConnected: () => this.#link.isUp,
      running: () => this.#handles.size,
      waiting: () => this.#waiting,
      workers: () => this.#workers,
      slots: () => this.#slots,
    });
    return await answerStatus(http, metrics, this.#link, log);
  }

  /** Serves until told to stop, as the active coordinator or as one that waits. */
  async serve(): Promise<void> {
    const { signal, log } = this.#options;
    let said = false;
    while (!signal.aborted) {
      try {
        if (await this.#lease.take()) {
          said = false;
          await this.#serveActively();
        } else if (!said) {
          log('another coordinator is active; this one takes over when it is gone');
          said = true;
        }
      } catch (error) {
        if (!(error instanceof ClusterMissingError)) throw error;
        await this.#setUp();
      }
      await pause(Math.min(LOOK_MS, this.#options.leaseMs / 4), signal);
    }
  }

  async #setUp(): Promise<void> {
    const { keepMs } = this.#options;
    await setUpCluster(this.#link, {
      codeVersion: CODE_VERSION,
      ...(keepMs === undefined ? {} : { keepMs }),
    });
  }

  async #serveActively(): Promise<void> {
    const { log, store, signal } = this.#options;
    const { connection } = this.#link;
    log(`coordinator ${this.#name} serves at ${this.#link.url}`);
    const hello = encodeHello(create(CoordinatorHelloSchema, { coordinator: this.#name, store }));
    const subscriptions = [
      connection.subscribe(helloSubject(CODE_VERSION), {
        callback: (_, message) => void message.respond(hello),
      }),
      connection.subscribe(wakeSubject(CODE_VERSION), {
        callback: () => {
          this.#woken = true;
        },
      }),
    ];
    const lost = new AbortController();
    const renewing = this.#renew(lost);
    this.#isActive = true;
    try {
      while (!signal.aborted && !lost.signal.aborted) {
        await this.#look();
        await pause(LOOK_MS, AbortSignal.any([signal, lost.signal]), () => this.#woken);
      }
    } finally {
      this.#isActive = false;
      for (const subscription of subscriptions) subscription.unsubscribe();
      if (lost.signal.aborted) await this.#abandon();
      else await this.#leave();
      lost.abort();
      await renewing;
    }
    if (!signal.aborted) log('another coordinator has taken over');
  }

  /** Renews the lease until it is lost; the processes of runs are told how long it holds. */
  async #renew(lost: AbortController): Promise<void> {
    while (!lost.signal.aborted) {
      this.#tellLease();
      await pause(this.#options.leaseMs / 3, lost.signal);
      if (lost.signal.aborted) return;
      try {
        if (!(await this.#lease.renew())) lost.abort();
      } catch {
        // Without the server, or with one that forgot everything, it is not ours.
        lost.abort();
      }
    }
  }

  #tellLease(): void {
    const leftMs = this.#lease.validUntilMs - performance.now();
    const untilNs = process.hrtime.bigint() + BigInt(Math.round(leftMs * 1e6));
    for (const handle of this.#handles.values()) handle.extendLease(untilNs);
  }

  /** Ends the processes of runs at once: another coordinator has theirs. */
  async #abandon(): Promise<void> {
    for (const handle of this.#handles.values()) handle.kill();
    await Promise.all([...this.#handles.values()].map(({ ended }) => ended));
  }

  /** Leaves in good order: what runs have queued is taken back, another coordinator may begin at once. */
  async #leave(): Promise<void> {
    for (const handle of this.#handles.values()) handle.stop();
    await Promise.all([...this.#handles.values()].map(({ ended }) => ended));
    await this.#lease.giveBack();
  }

  /** Begins what waits, and does what is wanted. */
  async #look(): Promise<void> {
    await this.#setWindows();
    const wasWoken = this.#woken;
    this.#woken = false;
    if (!(await this.#board.hasNews()) && !wasWoken) return;
    const runs = await this.#board.runs(CODE_VERSION);
    await this.#fulfil(runs);
    const waiting = runs.filter(
      ({ message }) => !hasEnded(message) && !this.#handles.has(message.run),
    );
    const room = Math.max(0, this.#options.runs - this.#handles.size);
    this.#waiting = Math.max(0, waiting.length - room);
    for (const entry of waiting.slice(0, room)) await this.#begin(entry);
  }

  async #fulfil(runs: readonly RunEntry[]): Promise<void> {
    for (const { run, cancel, release, again } of await this.#board.wishes()) {
      const entry = runs.find(({ message }) => message.run === run);
      if (entry === undefined) continue;
      const handle = this.#handles.get(run);
      if (cancel && !hasEnded(entry.message)) {
        if (handle === undefined) await this.#board.end(entry, RunStatus.CANCELLED);
        else handle.cancel();
      }
      if (!hasEnded(entry.message)) continue;
      if (release) await this.#release(entry);
      else if (again) await this.#beginAgain(entry);
      await this.#board.fulfilled(run);
    }
  }

  async #release(entry: RunEntry): Promise<void> {
    const { results, store } = entry.message;
    const changed = await this.#board.change(entry, {
      results: '',
      fetchedMs: BigInt(Date.now()),
    });
    if (changed === undefined || results === '') return;
    await removeStoredFolder(openStore(this.#link, store), results);
  }

  /** What is recorded of its tasks stays: it costs little. */
  async #beginAgain(entry: RunEntry): Promise<void> {
    const { results, store: storeName } = entry.message;
    if (results === '') return;
    const waiting = { status: RunStatus.WAITING, results: '', endedMs: 0n };
    if ((await this.#board.change(entry, waiting)) === undefined) return;
    const store = openStore(this.#link, storeName);
    // Its list may be what is lost; the next start stores its files elsewhere.
    await removeStoredFolder(store, results).catch(() => store.delete(results));
  }

  async #begin(entry: RunEntry): Promise<void> {
    const { log, link } = this.#options;
    const { run, model, startedMs, starts } = entry.message;
    const claimed = await this.#board.change(entry, {
      status: RunStatus.RUNNING,
      epoch: this.#lease.epoch ?? 0n,
      coordinator: this.#name,
      startedMs: startedMs === 0n ? BigInt(Date.now()) : startedMs,
      starts: starts + 1,
    });
    if (claimed === undefined) return;
    log(`run ${run} (${model}) ${starts === 0 ? 'begins' : 'goes on'}`);
    const folder = join(this.#options.folder, run);
    const { revision } = claimed;
    const handle = new RunHandle({
      run,
      revision,
      link: { ...link, name: `kronlens run ${run}`, role: 'coordinator' },
      folder,
    });
    this.#handles.set(run, handle);
    this.#tellLease();
    void handle.ended.then(async ({ crashed, words }) => {
      if (crashed) await this.#crashed(run, words).catch(() => {});
      this.#handles.delete(run);
      this.#woken = true;
      log(`run ${run} is ${crashed ? `interrupted: its process ended ${words}` : 'over'}`);
    });
  }

  /** A run may end its own process, for want of memory for example; in the end it has to fail. */
  async #crashed(run: string, words: string): Promise<void> {
    const crashes = (this.#crashes.get(run) ?? 0) + 1;
    this.#crashes.set(run, crashes);
    await rm(join(this.#options.folder, run), { recursive: true, force: true });
    if (crashes < MOST_CRASHES) return;
    const entry = await this.#board.run(run);
    if (entry === undefined || hasEnded(entry.message)) return;
    const error = new KronlensError(
      'run-crashed',
      `the coordinator's process for this run ended ${crashes} times, at last ${words}; look at the memory of ${hostname()}`,
    );
    await this.#board.end(entry, RunStatus.FAILED, toErrorReport(error));
  }

  async #setWindows(): Promise<void> {
    const records = new Records(this.#link, BUCKETS.workers, WorkerEntrySchema);
    const workers = (await records.all()).filter(
      ({ codeVersion, store }) => codeVersion === CODE_VERSION && store === this.#options.store,
    );
    this.#workers = workers.length;
    this.#slots = workers.reduce((sum, { concurrency }) => sum + concurrency, 0);
    const { share, most } = fairShare(this.#slots, this.#handles.size);
    for (const handle of this.#handles.values()) handle.setWindow(share, most);
  }
}

async function pause(ms: number, signal: AbortSignal, isOver = () => false): Promise<void> {
  const untilMs = performance.now() + ms;
  while (!signal.aborted && !isOver() && performance.now() < untilMs)
    await sleep(Math.min(50, ms), undefined, { signal }).catch(() => {});
}

/**
 * Serves until the signal aborts.
 * @throws NatsUnreachableError, NatsRefusedError, NatsUnfitError; BadInputError for an address that cannot be had
 */
export async function serve(options: CoordinatorOptions): Promise<void> {
  const name = token(`${hostname()}-${process.pid}-${randomBytes(2).toString('hex')}`);
  const { signal, keepMs } = options;
  const link = await NatsLink.open({ ...options.link, name: `kronlens coordinator ${name}` });
  let server: StatusServer | undefined;
  try {
    await setUpCluster(link, {
      codeVersion: CODE_VERSION,
      ...(keepMs === undefined ? {} : { keepMs }),
    });
    const coordinator = new Coordinator(options, link, name);
    server = await coordinator.answer();
    await coordinator.serve();
  } catch (error) {
    if (!signal.aborted) throw error;
  } finally {
    await server?.close();
    await link.close();
  }
}
