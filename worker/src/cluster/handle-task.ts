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
  DeadLetterSchema,
  type Dispatch,
  decodeDispatch,
  dispatchedTask,
  encodeTaskEvent,
  eventSubject,
  type NatsLink,
  Records,
  type TaskEvent,
  TaskEventSchema,
} from '@kronlens/proto/nats';
import type { Executor } from '../execute.js';
import { Attempts, DeadlyTaskError } from './attempts.js';
import type { Delivery } from './delivery.js';
import { OtherStoreError, OtherVersionError } from './refused-task.js';
import { taskWords } from './task-words.js';

/** Deliveries after which a task whose errors may pass is given up. */
const MOST_TRIES = 5;
const RETRY_DELAYS_MS = [500, 1000, 2000, 5000];

export interface HandlerOptions {
  readonly link: NatsLink;
  readonly store: ArtifactStore;
  /** The store's name, which tasks have to agree with. */
  readonly storeName: string;
  readonly executor: Executor;
  readonly worker: string;
  readonly codeVersion: string;
  readonly ackWaitMs: number;
  /** Told of what people should know. */
  readonly log: (line: string) => void;
}

/** The worker stops before the task is done: another one has to take it. */
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
  readonly #attempts: Attempts;
  readonly #dead: Records<typeof DeadLetterSchema>;

  constructor(options: HandlerOptions) {
    this.#options = options;
    this.#attempts = new Attempts(options.link, options.worker);
    this.#dead = new Records(options.link, BUCKETS.dead, DeadLetterSchema);
  }

  /**
   * Works on a task until the message is settled.
   * @param started is told of the run when the work begins
   * @param signal aborts with HandedBackError or RunCancelledError
   * @throws the link's errors; the message then comes again
   */
  async handle(
    delivery: Delivery,
    started: (run: string) => void,
    signal: AbortSignal,
  ): Promise<void> {
    const { taskId } = delivery;
    const heartbeat = setInterval(() => delivery.working(), this.#options.ackWaitMs / 3);
    let run = '';
    try {
      const dispatch = decodeDispatch(delivery.bytes);
      run = dispatch.run;
      const task = await this.#acceptable(dispatch, taskId);
      await this.#attempts.begin(taskId, taskWords(task, taskId));
      started(run);
      const result = await this.#options.executor.execute(task, signal);
      await this.#finish(delivery, run, result);
    } catch (error) {
      await this.#fail(delivery, run, signal.aborted ? signal.reason : error);
    } finally {
      clearInterval(heartbeat);
    }
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

  async #finish(delivery: Delivery, run: string, result: TaskResult): Promise<void> {
    this.#announce(run, delivery.taskId, { case: 'done', value: result });
    await this.#attempts.forget(delivery.taskId);
    await delivery.done();
  }

  async #fail(delivery: Delivery, run: string, error: unknown): Promise<void> {
    const { taskId, deliveries } = delivery;
    if (error instanceof RunCancelledError) {
      await this.#attempts.forget(taskId);
      await delivery.drop();
    } else if (error instanceof HandedBackError) {
      await this.#attempts.takeBack(taskId);
      await delivery.handBack(0);
    } else if (isRetryable(error) && deliveries < MOST_TRIES) {
      const delayMs = RETRY_DELAYS_MS[deliveries - 1] ?? 5000;
      this.#options.log(`task ${taskId.slice(0, 8)} will be tried again: ${messageOf(error)}`);
      await this.#attempts.takeBack(taskId);
      await delivery.handBack(delayMs);
    } else {
      await this.#giveUp(delivery, run, error);
    }
  }

  /** Nobody is to try this task again: its run has to fail, with the reason. */
  async #giveUp(delivery: Delivery, run: string, error: unknown): Promise<void> {
    const { taskId } = delivery;
    const { worker, log } = this.#options;
    log(`task ${taskId.slice(0, 8)} is given up: ${messageOf(error)}`);
    const report = toErrorReport(error);
    report.details.worker = worker;
    const attempts = error instanceof DeadlyTaskError ? [...error.attempts] : [];
    const letter = create(DeadLetterSchema, { taskId, error: report, attempts });
    await this.#dead.put(taskId, letter);
    this.#announce(run, taskId, { case: 'dead', value: letter });
    await this.#attempts.forget(taskId);
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
