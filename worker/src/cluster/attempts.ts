// Who began to work on a task and was not heard of again: tasks that end their workers are found by this.
import { create, KronlensError } from '@kronlens/proto';
import {
  type Attempt,
  AttemptListSchema,
  AttemptSchema,
  BUCKETS,
  type NatsLink,
  Records,
} from '@kronlens/proto/nats';

/** Workers that a task may cost. */
const MOST_LOST = 3;

/** Workers ended, or were lost, one after the other while they worked on the task. */
export class DeadlyTaskError extends KronlensError {
  readonly attempts: readonly Attempt[];

  constructor(what: string, attempts: readonly Attempt[]) {
    const names = attempts.map(({ worker }) => worker).join(', ');
    super(
      'deadly-task',
      `${what} ended ${attempts.length} workers while they worked on it (${names}); look at their logs, most likely they ran out of memory`,
      { details: { workers: names } },
    );
    this.attempts = attempts;
  }
}

/** The attempts of one worker among those of all. */
export class Attempts {
  readonly #records: Records<typeof AttemptListSchema>;
  readonly #worker: string;

  constructor(link: NatsLink, worker: string) {
    this.#records = new Records(link, BUCKETS.attempts, AttemptListSchema);
    this.#worker = worker;
  }

  /**
   * Notes that this worker begins.
   * @param what the task in words, for the error
   * @throws DeadlyTaskError when it has cost too many workers already
   */
  async begin(taskId: string, what: string): Promise<void> {
    const attempts = (await this.#records.get(taskId))?.attempts ?? [];
    // A message that came twice to the same worker says nothing about the task.
    const lost = attempts.filter(({ worker }) => worker !== this.#worker);
    if (lost.length >= MOST_LOST) throw new DeadlyTaskError(what, lost);
    const own = create(AttemptSchema, { worker: this.#worker, startedMs: BigInt(Date.now()) });
    await this.#records.put(taskId, create(AttemptListSchema, { attempts: [...lost, own] }));
  }

  /** This worker stops without a result, but for a reason that the task did not cause. */
  async takeBack(taskId: string): Promise<void> {
    const attempts = (await this.#records.get(taskId))?.attempts ?? [];
    const others = attempts.filter(({ worker }) => worker !== this.#worker);
    if (others.length === 0) await this.#records.delete(taskId);
    else await this.#records.put(taskId, create(AttemptListSchema, { attempts: others }));
  }

  /** The task has its end; all attempts are forgotten. */
  async forget(taskId: string): Promise<void> {
    await this.#records.delete(taskId);
  }
}
