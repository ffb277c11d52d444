// The queue of a run on a cluster: tasks go out through NATS, results come in by events or by looking.
import {
  type ArtifactStore,
  fromErrorReport,
  KronlensError,
  type Progress,
  type Task,
  type TaskResult,
  taskId,
} from '@kronlens/proto';
import {
  BUCKETS,
  ClusterMissingError,
  cancelSubject,
  type DeadLetter,
  DeadLetterSchema,
  decodeTaskEvent,
  encodeDispatch,
  eventSubject,
  isFull,
  type NatsLink,
  Records,
  setUpCluster,
  type TaskClass,
  type TaskNeeds,
  taskClass,
  taskNeeds,
  taskSubject,
} from '@kronlens/proto/nats';
import type { IsBearable, Queue } from '../plan/queue.js';
import { CODE_VERSION } from '../version.js';
import { Outstanding, type Wanted } from './outstanding.js';
import { removeIfStuck, removeLeftovers, withdraw } from './stuck-messages.js';

/** Tasks of one run in the work queue at a time: others get their turn, and a killed run leaves few. */
const MOST_SENT = 256;
/** How often results are looked for whose events did not come. */
const LOOK_MS = 2000;
/** After so long without a result a task is looked for in the work queue, and sent again if it is lost. */
const RESEND_MS = 10_000;

export interface JetStreamQueueOptions {
  readonly link: NatsLink;
  readonly store: ArtifactStore;
  /** As tasks name it to workers. */
  readonly storeName: string;
  /** Where programs run; default `cpu`. */
  readonly device?: string;
  /** Names the run on the server. */
  readonly run: string;
  /** Interrupts the run. */
  readonly signal: AbortSignal;
  readonly onProgress: (progress: Progress) => void;
  /** Tasks of this run in the work queue at a time, as things are; it is told of results. */
  readonly window?: { readonly size: number; done(): void };
  /** Resolves when tasks may be queued: not by a coordinator that others believe to be dead. */
  readonly permit?: () => Promise<void>;
}

/**
 * What counts is recorded on the server, results in the store and failures among the dead letters;
 * events only say when to look. So whatever dies, looking again is enough to go on.
 */
export class JetStreamQueue implements Queue {
  readonly #options: JetStreamQueueOptions;
  readonly #outstanding: Outstanding;
  readonly #device: string;
  readonly #dead: Records<typeof DeadLetterSchema>;
  readonly #failure = new AbortController();
  readonly #signal: AbortSignal;
  readonly #working = new Set<Promise<void>>();
  readonly #timer: NodeJS.Timeout;
  readonly #events: { unsubscribe(): void };
  #looking = false;

  constructor(options: JetStreamQueueOptions) {
    const { link, run, signal } = options;
    this.#options = options;
    this.#device = options.device ?? 'cpu';
    this.#outstanding = new Outstanding(() => options.window?.size ?? MOST_SENT);
    this.#dead = new Records(link, BUCKETS.dead, DeadLetterSchema);
    this.#signal = AbortSignal.any([signal, this.#failure.signal]);
    this.#signal.addEventListener('abort', () => this.#keepTrack(this.#callOff()), { once: true });
    this.#events = link.connection.subscribe(eventSubject(run, '*'), {
      callback: (_, { data }) => this.#hear(data),
    });
    this.#timer = setInterval(() => this.#keepTrack(this.#look()), LOOK_MS);
  }

  async submit(task: Task, isBearable: IsBearable = () => false): Promise<TaskResult> {
    this.#signal.throwIfAborted();
    const id = taskId(task);
    const wanted = this.#outstanding.get(id) ?? this.#outstanding.add(id, task, isBearable);
    this.#send();
    return await wanted.result;
  }

  async idle(): Promise<void> {
    while (this.#working.size > 0 || this.#outstanding.size > 0) {
      const results = this.#outstanding.sent().map(({ result }) => result);
      await Promise.allSettled([...this.#working, ...results]);
    }
  }

  /** Stops listening, and leaves nothing of the run in the work queue. */
  async close(): Promise<void> {
    clearInterval(this.#timer);
    this.#events.unsubscribe();
    await Promise.allSettled([...this.#working]);
    const { link } = this.#options;
    if (!link.connection.isClosed()) await removeLeftovers(link).catch(() => {});
  }

  #keepTrack(work: Promise<void>): void {
    const tracked = work.catch((error: unknown) => this.#failure.abort(error));
    this.#working.add(tracked);
    void tracked.finally(() => this.#working.delete(tracked));
  }

  #send(): void {
    for (let next = this.#outstanding.next(); next; next = this.#outstanding.next())
      this.#keepTrack(this.#sendFirst(next));
  }

  async #sendFirst({ id, task }: Wanted): Promise<void> {
    const recorded = await this.#options.store.getResult(id);
    if (recorded !== undefined) return this.#finish(id, recorded);
    // What failed in an earlier run is tried again.
    if ((await this.#dead.get(id)) !== undefined) await this.#dead.delete(id);
    await this.#publish(id, task);
  }

  /** What the tasks that are queued or worked on need of workers. */
  get needs(): readonly TaskNeeds[] {
    return this.#outstanding.sent().map(({ task }) => taskNeeds(task, this.#device));
  }

  #placeOf(task: Task): TaskClass {
    return taskClass(taskNeeds(task, this.#device));
  }

  /** Puts the task into the work queue, where it is not there already. */
  async #publish(id: string, task: Task): Promise<void> {
    const { link, store, run, storeName } = this.#options;
    const needs = taskNeeds(task, this.#device);
    const message = await encodeDispatch(task, { run, store: storeName }, needs, store);
    await this.#options.permit?.();
    if (this.#signal.aborted) return;
    const subject = taskSubject(taskClass(needs), CODE_VERSION, id);
    const publish = () => link.call('queueing a task', () => link.js.publish(subject, message));
    try {
      await publish();
    } catch (error) {
      if (isFull(error)) return;
      if (!(error instanceof ClusterMissingError)) throw error;
      // The server came back on an empty disk.
      await setUpCluster(link, { codeVersion: CODE_VERSION });
      await publish();
    }
    // Called off meanwhile, when it was not there to be taken back.
    if (this.#signal.aborted) await withdraw(link, taskClass(needs), id);
  }

  /** Whether the task has left the work queue, stuck or not. */
  async #isGone(id: string, task: Task): Promise<boolean> {
    try {
      return await removeIfStuck(this.#options.link, this.#placeOf(task), id);
    } catch (error) {
      if (error instanceof ClusterMissingError) return true;
      throw error;
    }
  }

  #hear(data: Uint8Array): void {
    const event = readEvent(data);
    if (event === undefined) return;
    const { what } = event;
    if (what.case === 'progress') this.#options.onProgress(what.value);
    else if (what.case === 'done') this.#finish(event.taskId, what.value);
    else if (what.case === 'dead') this.#bury(event.taskId, what.value);
  }

  /** Looks for the ends of tasks whose events were lost, and sends tasks again that may be lost. */
  async #look(): Promise<void> {
    if (this.#looking || this.#signal.aborted) return;
    this.#looking = true;
    this.#send();
    try {
      for (const { id, task, sentMs = 0 } of this.#outstanding.sentBefore(LOOK_MS)) {
        // Asked before the records are: what is recorded just now leaves the work queue after that.
        const isDue = performance.now() - sentMs >= RESEND_MS;
        const isGone = isDue && (await this.#isGone(id, task));
        const recorded = await this.#options.store.getResult(id);
        if (recorded !== undefined) this.#finish(id, recorded);
        const letter = await this.#dead.get(id);
        if (letter !== undefined) this.#bury(id, letter);
        if (this.#signal.aborted) return;
        const wanted = this.#outstanding.get(id);
        if (!isDue || wanted === undefined) continue;
        if (isGone) await this.#publish(id, task);
        wanted.sentMs = performance.now();
      }
    } finally {
      this.#looking = false;
    }
  }

  #finish(id: string, result: TaskResult): void {
    const wanted = this.#outstanding.take(id);
    if (wanted === undefined) return;
    this.#options.window?.done();
    wanted.resolve(result);
    this.#send();
  }

  #bury(id: string, { error }: DeadLetter): void {
    const wanted = this.#outstanding.get(id);
    if (wanted === undefined) return;
    const reason =
      error === undefined
        ? new KronlensError('dead-task', `task ${id} was given up without a reason`)
        : fromErrorReport(error);
    if (wanted.isBearable(reason)) {
      this.#outstanding.take(id);
      wanted.reject(reason);
      this.#send();
    } else this.#failure.abort(reason);
  }

  /** Takes back what was sent and says why to whoever waits. */
  async #callOff(): Promise<void> {
    const { link, run } = this.#options;
    const sent = this.#outstanding.sent();
    for (const { reject } of this.#outstanding.takeAll()) reject(this.#signal.reason);
    if (link.connection.isClosed()) return;
    link.connection.publish(cancelSubject(run));
    for (const { id, task } of sent) {
      // Not worth waiting for a server that is away: a task that stays costs little.
      await withdraw(link, this.#placeOf(task), id).catch(() => {});
    }
  }
}

/** An event that does not parse is none: the records are what counts. */
function readEvent(data: Uint8Array) {
  try {
    return decodeTaskEvent(data);
  } catch {
    return undefined;
  }
}
