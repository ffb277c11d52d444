// Works on one task from the queue: executes it, announces what became of it, settles the message.
import {
  type ArtifactStore,
  CancelledError,
  create,
  KronlensError,
  type Task,
  type TaskResult,
  toErrorReport,
} from '@kronlens/proto';
import {
  BUCKETS,
  canTake,
  DeadLetterSchema,
  type Dispatch,
  decodeDispatch,
  dispatchedTask,
  dispatchNeeds,
  encodeTaskEvent,
  eventSubject,
  type NatsLink,
  NotForThisWorkerError,
  Records,
  type TaskEvent,
  TaskEventSchema,
  type WorkerMeans,
} from '@kronlens/proto/nats';
import type { Executor } from '../execute.js';
import type { Delivery } from './delivery.js';
import { DeadlyTaskError, LostWorkers, MOST_LOST } from './lost-workers.js';
import { Notes } from './notes.js';
import { OtherStoreError, OtherVersionError } from './refused-task.js';
import { taskWords } from './task-words.js';
import { Tries } from './tries.js';
import { type Turn, Turns } from './turns.js';
import type { TaskOutcome } from './worker-metrics.js';

/** A task that gets no turn for so long is left to other workers. */
const MOST_WAIT_MS = 1000;
/** Tasks for workers that have more come again after so long. */
const PASS_ON_MS = 5000;

export interface HandlerOptions {
  readonly link: NatsLink;
  readonly store: ArtifactStore;
  /** The store's name, which tasks have to agree with. */
  readonly storeName: string;
  readonly executor: Executor;
  readonly worker: string;
  readonly codeVersion: string;
  readonly ackWaitMs: number;
  readonly means: WorkerMeans;
  readonly turns: Turns;
  /** Told of what people should know. */
  readonly log: (line: string) => void;
}

/** Who is told how a task gets on. */
export interface TaskWatcher {
  /** It is computed from now on. */
  begun(run: string, kind: Task['kind']['case']): void;
  /** @param ms from then until nothing remained but to store the result */
  computed(ms: number): void;
  /** It is handed back, since others were computed for so long, in ms. */
  waited(ms: number): void;
  /** The message is settled. */
  ended(outcome: TaskOutcome): void;
}

/** This worker does not do the task after all: another one has to take it. */
export class HandedBackError extends CancelledError {
  constructor() {
    super('the task');
  }
}

/** The task's run was cancelled. */
export class RunCancelledError extends CancelledError {
  constructor(run: string) {
    super(`run ${run}`);
  }
}

/** Handles deliveries for one worker. */
export class TaskHandler {
  readonly #options: HandlerOptions;
  readonly #notes: Notes;
  readonly #lost: LostWorkers;
  readonly #tries: Tries;
  readonly #dead: Records<typeof DeadLetterSchema>;
  /** Of tasks that workers were lost on one is computed at a time: the sound beside a deadly one get away. */
  readonly #suspects = new Turns(1, Number.POSITIVE_INFINITY);

  constructor(options: HandlerOptions) {
    const { link, worker } = options;
    this.#options = options;
    this.#notes = new Notes(link, worker);
    this.#lost = new LostWorkers(link, worker);
    this.#tries = new Tries(link);
    this.#dead = new Records(link, BUCKETS.dead, DeadLetterSchema);
  }

  /**
   * Works on a task until the message is settled.
   * @param signal aborts with HandedBackError or RunCancelledError
   * @throws the link's errors; the message then comes again
   */
  async handle(delivery: Delivery, watcher: TaskWatcher, signal: AbortSignal): Promise<void> {
    const heartbeat = setInterval(() => delivery.working(), this.#options.ackWaitMs / 3);
    let run = '';
    try {
      const dispatch = decodeDispatch(delivery.bytes);
      run = dispatch.run;
      const task = await this.#acceptable(dispatch, delivery.taskId);
      const found = await this.#recorded(delivery);
      const result = found ?? (await this.#execute(delivery, task, dispatch, watcher, signal));
      this.#announce(run, delivery.taskId, { case: 'done', value: result });
      delivery.done();
      watcher.ended(found === undefined ? 'done' : 'found');
    } catch (error) {
      watcher.ended(await this.#fail(delivery, run, signal.aborted ? signal.reason : error));
    } finally {
      clearInterval(heartbeat);
      this.#notes.forget(delivery.message);
    }
  }

  /** Takes back what the worker has noted on the server. Call it when nothing is in hand. */
  async end(): Promise<void> {
    await this.#notes.end();
  }

  /** @throws OtherStoreError, OtherVersionError, MalformedMessageError */
  async #acceptable(dispatch: Dispatch, taskId: string): Promise<Task> {
    const { store, storeName, worker, codeVersion } = this.#options;
    if (dispatch.store !== storeName) throw new OtherStoreError(worker, storeName, dispatch.store);
    const task = await dispatchedTask(dispatch, taskId, store);
    if (task.codeVersion !== codeVersion)
      throw new OtherVersionError(worker, codeVersion, task.codeVersion);
    return task;
  }

  /** A message that comes again may be of a task that was done. New ones were looked up when they were queued. */
  async #recorded({ deliveries, taskId }: Delivery): Promise<TaskResult | undefined> {
    return deliveries > 1 ? await this.#options.store.getResult(taskId) : undefined;
  }

  /** @throws DeadlyTaskError, HandedBackError; the task's error */
  async #execute(
    delivery: Delivery,
    task: Task,
    dispatch: Dispatch,
    watcher: TaskWatcher,
    signal: AbortSignal,
  ): Promise<TaskResult> {
    const { executor, means } = this.#options;
    const needs = dispatchNeeds(dispatch);
    if (!canTake(means, needs))
      throw new NotForThisWorkerError(taskWords(task, delivery.taskId), needs);
    const { message, deliveries, taskId } = delivery;
    const lost = deliveries > 1 ? await this.#lost.of(message) : [];
    if (lost.length >= MOST_LOST) throw new DeadlyTaskError(taskWords(task, taskId), lost);
    // A task under suspicion is noted only while it is computed, so that tasks that merely wait
    // beside a deadly one are not taken for deadly too.
    if (lost.length === 0) await this.#notes.add(message);
    const turn = await this.#turn(needs.memoryBytes, lost.length > 0, signal);
    if (turn === undefined) {
      if (!signal.aborted) watcher.waited(MOST_WAIT_MS);
      throw new HandedBackError();
    }
    try {
      if (lost.length > 0) await this.#notes.add(message);
      watcher.begun(dispatch.run, task.kind.case);
      const start = performance.now();
      const onComputed = () => {
        turn.release();
        watcher.computed(performance.now() - start);
      };
      return await executor.execute(task, { signal, isNew: true, onComputed });
    } finally {
      turn.release();
    }
  }

  /** @returns undefined when there is none in time */
  async #turn(bytes: number, isSuspect: boolean, signal: AbortSignal): Promise<Turn | undefined> {
    const alone = isSuspect ? await this.#suspects.take(0, MOST_WAIT_MS, signal) : undefined;
    if (isSuspect && alone === undefined) return undefined;
    const turn = await this.#options.turns.take(bytes, MOST_WAIT_MS, signal);
    if (turn === undefined) alone?.release();
    return turn && { release: () => [turn, alone].forEach((held) => void held?.release()) };
  }

  async #fail(delivery: Delivery, run: string, error: unknown): Promise<TaskOutcome> {
    if (error instanceof RunCancelledError) {
      await delivery.drop();
      return 'cancelled';
    }
    if (error instanceof HandedBackError) return await this.#handBack(delivery, 0);
    if (error instanceof NotForThisWorkerError) return await this.#handBack(delivery, PASS_ON_MS);
    const delayMs = isRetryable(error) ? await this.#tries.failed(delivery) : undefined;
    if (delayMs === undefined) {
      await this.#giveUp(delivery, run, error);
      return 'failed';
    }
    const { log } = this.#options;
    log(`task ${delivery.taskId.slice(0, 8)} will be tried again: ${messageOf(error)}`);
    return await this.#handBack(delivery, delayMs);
  }

  async #handBack(delivery: Delivery, delayMs: number): Promise<TaskOutcome> {
    await this.#notes.takeBack(delivery.message);
    await delivery.handBack(delayMs);
    return 'handed_back';
  }

  /** Nobody is to try this task again: its run has to fail, with the reason. */
  async #giveUp(delivery: Delivery, run: string, error: unknown): Promise<void> {
    const { taskId } = delivery;
    const { worker, log } = this.#options;
    log(`task ${taskId.slice(0, 8)} is given up: ${messageOf(error)}`);
    const report = toErrorReport(error);
    report.details.worker = worker;
    const lostWorkers = error instanceof DeadlyTaskError ? [...error.workers] : [];
    const letter = create(DeadLetterSchema, { taskId, error: report, lostWorkers });
    await this.#dead.put(taskId, letter);
    this.#announce(run, taskId, { case: 'dead', value: letter });
    await delivery.drop();
  }

  /** Tells whoever waits. If the words are lost, the records speak. */
  #announce(run: string, taskId: string, what: TaskEvent['what']): void {
    const { link, worker } = this.#options;
    if (run === '' || link.connection.isClosed()) return;
    const event = create(TaskEventSchema, { taskId, worker, what });
    link.connection.publish(eventSubject(run, taskId), encodeTaskEvent(event));
  }
}

function isRetryable(error: unknown): boolean {
  return error instanceof KronlensError && error.retryable;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
