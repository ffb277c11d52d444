// Removes the checkpoints that a task leaves on its way: workers of a cluster may not.
import { type ArtifactStore, checkpointId } from '@kronlens/proto';

/** Looks between two checkpoints of a worker, so that none is missed. */
const LOOKS = 2.4;
/** More often than that would only keep the store busy; what is missed then lies there until `kronlens gc`. */
const LEAST_LOOK_MS = 200;

export class CheckpointWatch {
  readonly #store: Pick<ArtifactStore, 'getResult' | 'delete'>;
  readonly #id: string;
  readonly #timer: NodeJS.Timeout;
  #seen: string | undefined;
  #looking: Promise<void> = Promise.resolve();

  /** @param seconds between two checkpoints */
  constructor(store: Pick<ArtifactStore, 'getResult' | 'delete'>, taskId: string, seconds: number) {
    this.#store = store;
    this.#id = checkpointId(taskId);
    this.#timer = setInterval(() => this.look(), Math.max(LEAST_LOOK_MS, (1000 * seconds) / LOOKS));
    this.#timer.unref();
  }

  /** Removes the checkpoint that was seen before, when there is another. */
  look(): Promise<void> {
    // What cannot be looked at or removed does no harm.
    this.#looking = this.#looking.then(() => this.#look()).catch(() => {});
    return this.#looking;
  }

  /** @param isDone whether the task has a result: the last checkpoint goes, too */
  async end(isDone: boolean): Promise<void> {
    clearInterval(this.#timer);
    await this.look();
    if (isDone && this.#seen !== undefined) await this.#store.delete(this.#seen).catch(() => {});
  }

  async #look(): Promise<void> {
    const found = (await this.#store.getResult(this.#id))?.artifacts[0]?.id;
    const old = this.#seen;
    if (found === undefined || found === old) return;
    this.#seen = found;
    if (old !== undefined) await this.#store.delete(old);
  }
}
