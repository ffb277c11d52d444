// A worker process: joins a cluster, takes tasks as it has room for them, leaves in good order.
import { randomBytes } from 'node:crypto';
import { hostname } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { KronlensError } from '@kronlens/proto';
import {
  ClusterMissingError,
  cancelSubject,
  type LinkOptions,
  NatsLink,
  NatsRefusedError,
  openStore,
  token,
  withEnvironment,
  workerClasses,
} from '@kronlens/proto/nats';
import { answerStatus, type HttpAddress, type StatusServer } from '@kronlens/proto/status';
import { createExecutor } from '../execute.js';
import type { LinearAlgebraChoice } from '../linalg/index.js';
import type { Delivery } from './delivery.js';
import { HandedBackError, TaskHandler } from './handle-task.js';
import { Pace } from './pace.js';
import { Presence } from './presence.js';
import { ProgressEvents } from './progress-events.js';
import { TaskSource } from './task-source.js';
import { TasksInHand } from './tasks-in-hand.js';
import { Turns } from './turns.js';
import { WorkerMetrics } from './worker-metrics.js';

export interface WorkerOptions {
  readonly link: Omit<LinkOptions, 'name' | 'role'>;
  /** Where artifacts are, as `parseStore` gives it. */
  readonly store: string;
  /** Version of this code; tasks of others are not taken. */
  readonly codeVersion: string;
  /** Tasks at a time, each on a thread of its own. */
  readonly concurrency: number;
  readonly device: 'cpu';
  /** Memory for all tasks together, in bytes. */
  readonly memoryBytes: number;
  readonly linalg: LinearAlgebraChoice;
  /** Where to answer /healthz and /metrics; undefined: nowhere. */
  readonly http?: HttpAddress | undefined;
  /** Told of what people should know, a line at a time. */
  readonly log: (line: string) => void;
  /** No new tasks are taken once it aborts; those under way are finished. */
  readonly drain: AbortSignal;
  /** Tasks under way are handed back at once. */
  readonly stop: AbortSignal;
}

const RETRY_SET_UP_MS = 2000;
/** Time to hand back tasks; a server that is away does not keep a worker any longer. */
const HAND_BACK_MS = 3000;
/** Time to take back what it has written of itself. */
const TIDY_MS = 2000;

/** Waits for the work, but no longer than so. */
async function atMost(ms: number, work: Promise<unknown>): Promise<void> {
  await Promise.race([work, sleep(ms, undefined, { ref: false })]);
}

/** The client has given the connection up. */
class NatsClosedError extends KronlensError {
  constructor(url: string) {
    super('nats-closed', `the connection to the NATS server at ${url} is closed for good`);
  }
}

/** Waits, shorter when the worker is to leave. */
async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await sleep(ms, undefined, { signal }).catch(() => {});
}

class Worker {
  readonly #options: WorkerOptions;
  readonly #link: NatsLink;
  readonly #source: TaskSource;
  readonly #name: string;
  readonly #pace: Pace;

  constructor(options: WorkerOptions, link: NatsLink, name: string) {
    this.#options = options;
    this.#link = link;
    this.#name = name;
    this.#source = new TaskSource(link, options.codeVersion, workerClasses(options));
    this.#pace = new Pace(options.concurrency);
  }

  async run(): Promise<void> {
    const {
      store: storeName,
      concurrency,
      device,
      linalg,
      memoryBytes,
      codeVersion,
      log,
      stop,
    } = this.#options;
    const ackWaitMs = await this.#untilSetUp();
    if (ackWaitMs === undefined) return;
    const store = openStore(this.#link, storeName);
    const progress = new ProgressEvents(this.#link, this.#name);
    const executor = await createExecutor({
      store,
      parallelism: concurrency,
      device,
      linalg,
      // Workers may not remove artifacts; who queued a task does.
      leavesCheckpoints: true,
      onProgress: progress.report,
    });
    for (const warning of executor.warnings) log(`warning: ${warning}`);
    const { hardware } = executor;
    const handler = new TaskHandler({
      link: this.#link,
      store,
      storeName,
      executor,
      worker: this.#name,
      codeVersion,
      ackWaitMs,
      means: { device, memoryBytes },
      turns: new Turns(concurrency, memoryBytes),
      log,
    });
    const metrics = new WorkerMetrics(
      { name: this.#name, version: codeVersion, device, store: storeName, ...hardware },
      { concurrency, memory_bytes: memoryBytes },
    );
    void this.#watch(metrics);
    const changes = new Changes();
    const inHand = new TasksInHand({
      handler,
      pace: this.#pace,
      progress,
      metrics,
      stop,
      settled: (error) => changes.note(error),
    });
    const facts = {
      name: this.#name,
      codeVersion,
      device,
      concurrency,
      memoryBytes,
      store: storeName,
      hardware,
    };
    metrics.watch({
      inHand: () => inHand.count,
      computing: () => inHand.computing,
      isConnected: () => this.#link.isUp,
    });
    const presence = new Presence(this.#link, facts, () => inHand.computing);
    const cancellations = this.#link.connection.subscribe(cancelSubject('*'), {
      callback: (_, { subject }) => inHand.cancel(subject.split('.')[2] ?? ''),
    });
    log(`worker ${this.#name} takes ${concurrency} tasks at a time from ${this.#link.url}`);
    let server: StatusServer | undefined;
    try {
      server = await answerStatus(this.#options.http, metrics, this.#link, log);
      await this.#takeTasks(inHand, changes);
      await inHand.settled();
    } finally {
      cancellations.unsubscribe();
      // Entries that stay because the server is away expire.
      await atMost(TIDY_MS, Promise.all([handler.end(), presence.end()]));
      await executor.close();
      await server?.close();
    }
  }

  /** What the server refuses of what is only said would be noticed by nobody else. */
  async #watch(metrics: WorkerMetrics): Promise<void> {
    const said = new Set<string>();
    for await (const status of this.#link.connection.status()) {
      if (status.type === 'disconnect') metrics.disconnected();
      if (status.type !== 'error' || said.has(status.error.message)) continue;
      said.add(status.error.message);
      this.#options.log(`warning: the NATS server says: ${status.error.message}`);
    }
  }

  /** @returns the queue's ack-wait; undefined when the worker is to leave before it is there */
  async #untilSetUp(): Promise<number | undefined> {
    const { drain, log, codeVersion } = this.#options;
    let said = false;
    while (!drain.aborted) {
      try {
        return await this.#source.ackWaitMs();
      } catch (error) {
        if (drain.aborted) return undefined;
        if (!(error instanceof ClusterMissingError)) throw error;
        if (!said) log(`waiting for a coordinator of ${codeVersion} at ${this.#link.url}`);
        said = true;
      }
      await pause(RETRY_SET_UP_MS, drain);
    }
    return undefined;
  }

  /** Takes tasks as there is room for them, until the worker is to leave. */
  async #takeTasks(inHand: TasksInHand, changes: Changes): Promise<void> {
    const { drain, log } = this.#options;
    const sink = {
      take: (delivery: Delivery) => {
        if (!drain.aborted) return inHand.add(delivery);
        delivery.handBack(0).catch(() => {});
      },
      ready: () => changes.note(),
      failed: (error: unknown) => changes.note(error),
    };
    const leave = () => changes.note();
    drain.addEventListener('abort', leave, { once: true });
    void this.#link.connection.closed().then(leave);
    while (!drain.aborted) {
      if (this.#link.connection.isClosed()) throw new NatsClosedError(this.#link.url);
      const { capacity } = this.#pace;
      // Many small requests would cost more than they bring.
      this.#source.fill(capacity - inHand.count, Math.max(1, capacity / 8), sink);
      const error = await changes.next();
      if (error === undefined || drain.aborted) continue;
      if (error instanceof ClusterMissingError) await this.#untilSetUp();
      else if (error instanceof NatsRefusedError) throw error;
      else log(`a task could not be settled and will come again: ${messageOf(error)}`);
      await pause(1000, drain);
    }
    await this.#source.close();
  }
}

/** Tells a loop that something happened, however often, and the first error of it. */
class Changes {
  #error: unknown;
  #isNew = false;
  #wake: () => void = () => {};

  note(error?: unknown): void {
    this.#isNew = true;
    this.#error ??= error;
    this.#wake();
  }

  async next(): Promise<unknown> {
    if (!this.#isNew) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    const error = this.#error;
    this.#isNew = false;
    this.#error = undefined;
    return error;
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** A name that no other worker has, which tells people where it runs. */
function workerName(): string {
  return token(`${hostname()}-${process.pid}-${randomBytes(2).toString('hex')}`);
}

/**
 * Works for a cluster until `drain` aborts.
 * @throws NatsUnreachableError, NatsRefusedError, NatsUnfitError; BadInputError for a device or a
 *   backend that this machine does not have
 */
export async function runWorker(options: WorkerOptions): Promise<void> {
  const name = workerName();
  const gone = new AbortController();
  const giveUp = () => setTimeout(() => gone.abort(new HandedBackError()), HAND_BACK_MS).unref();
  if (options.stop.aborted) giveUp();
  else options.stop.addEventListener('abort', giveUp, { once: true });
  const link = await NatsLink.open(
    withEnvironment(
      { ...options.link, name: `kronlens worker ${name}`, role: 'worker' },
      process.env,
    ),
    { signal: gone.signal },
  );
  void link.connection.closed().then((error) => {
    if (error instanceof Error) options.log(`the NATS connection is closed: ${error.message}`);
  });
  try {
    await new Worker(options, link, name).run();
  } finally {
    await link.close();
  }
}
