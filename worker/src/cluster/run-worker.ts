// A worker process: joins a cluster, takes tasks as it has room for them, leaves in good order.
import { randomBytes } from 'node:crypto';
import { hostname } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  ClusterMissingError,
  cancelSubject,
  type LinkOptions,
  NatsLink,
  openStore,
  token,
  withEnvironment,
} from '@kronlens/proto/nats';
import { createExecutor } from '../execute.js';
import type { LinearAlgebraChoice } from '../linalg/index.js';
import type { Delivery } from './delivery.js';
import { HandedBackError, RunCancelledError, TaskHandler } from './handle-task.js';
import { Presence } from './presence.js';
import { ProgressEvents } from './progress-events.js';
import { TaskSource } from './task-source.js';

export interface WorkerOptions {
  readonly link: Omit<LinkOptions, 'name' | 'role'>;
  /** Where artifacts are, as `parseStore` gives it. */
  readonly store: string;
  /** Version of this code; tasks of others are not taken. */
  readonly codeVersion: string;
  /** Tasks at a time, each on a thread of its own. */
  readonly concurrency: number;
  readonly device: 'cpu';
  readonly linalg: LinearAlgebraChoice;
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

/** Waits, shorter when the worker is to leave. */
async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await sleep(ms, undefined, { signal }).catch(() => {});
}

/** What the worker is working on. */
class TasksUnderWay {
  readonly #tasks = new Map<string, { run: string; readonly controller: AbortController }>();

  get count(): number {
    return this.#tasks.size;
  }

  begin(taskId: string, controller: AbortController): void {
    this.#tasks.set(taskId, { run: '', controller });
  }

  belongs(taskId: string, run: string): void {
    const task = this.#tasks.get(taskId);
    if (task !== undefined) task.run = run;
  }

  end(taskId: string): void {
    this.#tasks.delete(taskId);
  }

  /** Calls off the tasks of a run whose name on the server is `runToken`. */
  cancel(runToken: string): void {
    for (const { run, controller } of this.#tasks.values())
      if (token(run) === runToken) controller.abort(new RunCancelledError(run));
  }
}

class Worker {
  readonly #options: WorkerOptions;
  readonly #link: NatsLink;
  readonly #source: TaskSource;
  readonly #name: string;
  readonly #underWay = new TasksUnderWay();
  readonly #progress: ProgressEvents;

  constructor(options: WorkerOptions, link: NatsLink, name: string) {
    this.#options = options;
    this.#link = link;
    this.#name = name;
    this.#source = new TaskSource(link, options.codeVersion);
    this.#progress = new ProgressEvents(link, name);
  }

  async run(): Promise<void> {
    const { store: storeName, concurrency, device, linalg, codeVersion, log } = this.#options;
    const ackWaitMs = await this.#untilSetUp();
    if (ackWaitMs === undefined) return;
    const store = openStore(this.#link, storeName);
    const executor = await createExecutor({
      store,
      parallelism: concurrency,
      device,
      linalg,
      onProgress: this.#progress.report,
    });
    for (const warning of executor.warnings) log(`warning: ${warning}`);
    const { hardware } = executor;
    const facts = {
      name: this.#name,
      codeVersion,
      device,
      concurrency,
      store: storeName,
      hardware,
    };
    const presence = new Presence(this.#link, facts, () => this.#underWay.count);
    const handler = new TaskHandler({
      link: this.#link,
      store,
      storeName,
      executor,
      worker: this.#name,
      codeVersion,
      ackWaitMs,
      log,
    });
    const cancellations = this.#link.connection.subscribe(cancelSubject('*'), {
      callback: (_, { subject }) => this.#underWay.cancel(subject.split('.')[2] ?? ''),
    });
    log(`worker ${this.#name} takes ${concurrency} tasks at a time from ${this.#link.url}`);
    try {
      await Promise.all(Array.from({ length: concurrency }, () => this.#slot(handler)));
    } finally {
      cancellations.unsubscribe();
      await presence.end();
      await executor.close();
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

  /** Takes tasks one after the other until the worker is to leave. */
  async #slot(handler: TaskHandler): Promise<void> {
    const { drain, stop, log } = this.#options;
    while (!drain.aborted && !stop.aborted) {
      try {
        const delivery = await this.#source.next();
        if (delivery === undefined) continue;
        if (drain.aborted) await delivery.handBack(0);
        else await this.#work(handler, delivery);
      } catch (error) {
        if (drain.aborted) break;
        if (this.#link.connection.isClosed()) throw error;
        if (error instanceof ClusterMissingError) await this.#untilSetUp();
        else log(`a task could not be settled and will come again: ${messageOf(error)}`);
        await pause(1000, drain);
      }
    }
  }

  async #work(handler: TaskHandler, delivery: Delivery): Promise<void> {
    const { taskId } = delivery;
    const controller = new AbortController();
    const handBack = () => controller.abort(new HandedBackError());
    this.#options.stop.addEventListener('abort', handBack, { once: true });
    if (this.#options.stop.aborted) handBack();
    this.#underWay.begin(taskId, controller);
    try {
      await handler.handle(
        delivery,
        (run) => {
          this.#underWay.belongs(taskId, run);
          this.#progress.begin(taskId, run);
        },
        controller.signal,
      );
    } finally {
      this.#options.stop.removeEventListener('abort', handBack);
      this.#underWay.end(taskId);
      this.#progress.end(taskId);
    }
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
