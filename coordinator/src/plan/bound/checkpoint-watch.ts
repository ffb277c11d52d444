// Removes the checkpoints that a task leaves on its way: workers of a cluster may not.
import { type ArtifactStore, checkpointId } from '@kronlens/proto';

/** How often it is looked, shorter than the time between two checkpoints of a worker. */
const LOOK_MS = 50_000;

export class CheckpointWatch {
  readonly #store: Pick<ArtifactStore, 'getResult' | 'delete'>;
  readonly #id: string;
  readonly #timer: NodeJS.Timeout;
  #seen: string | undefined;
  #looking: Promise<void> = Promise.resolve();

  constructor(store: Pick<ArtifactStore, 'getResult' | 'delete'>, taskId: string) {
    this.#store = store;
    this.#id = checkpointId(taskId);
    this.#timer = setInterval(() => this.look(), LOOK_MS);
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
