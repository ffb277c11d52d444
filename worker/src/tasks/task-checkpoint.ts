// Where a running task stands, recorded beside its result's place, so that whoever tries it again goes on from there.
import {
  type ArtifactStore,
  checkpointId,
  create,
  type Hardware,
  HardwareSchema,
  type TaskResult,
  TaskResultSchema,
} from '@kronlens/proto';

/** The artifact of a checkpoint. */
const NAME = 'checkpoint';

/** The checkpoint of one task; a later one takes the place of an earlier. */
export class TaskCheckpoint {
  readonly #store: ArtifactStore;
  readonly #id: string;
  readonly #hardware: Readonly<Record<string, string>>;
  readonly #removes: boolean;
  #own: string | undefined;
  #before: readonly Hardware[] = [];
  #writing: Promise<void> = Promise.resolve();

  /**
   * @param hardware what computes the task here
   * @param removes whether what is not needed any more is removed; else that is left to who queued the task
   */
  constructor(
    store: ArtifactStore,
    taskId: string,
    hardware: Readonly<Record<string, string>>,
    removes: boolean,
  ) {
    this.#store = store;
    this.#id = checkpointId(taskId);
    this.#hardware = hardware;
    this.#removes = removes;
  }

  /** The content id of what an earlier try left; empty: it begins at the beginning. */
  async find(): Promise<string> {
    const found = await this.#store.getResult(this.#id);
    if (found === undefined) return '';
    this.#own = artifactOf(found);
    this.#before = [create(HardwareSchema, { facts: found.hardware }), ...found.parts];
    return this.#own ?? '';
  }

  /** What computed the task before, as far as it goes on from a checkpoint. */
  get parts(): Hardware[] {
    return [...this.#before];
  }

  /** Stores a checkpoint, after those before. One that cannot be stored costs time after the next kill, nothing else. */
  write(bytes: Uint8Array): void {
    this.#writing = this.#writing.then(() => this.#write(bytes)).catch(() => {});
  }

  /** Waits until all are stored. */
  async settled(): Promise<void> {
    await this.#writing;
  }

  /** Removes the checkpoint: the task's result is recorded. */
  async remove(): Promise<void> {
    await this.#writing;
    await this.#forget(this.#own);
  }

  async #write(bytes: Uint8Array): Promise<void> {
    const id = await this.#store.put(bytes);
    const result = create(TaskResultSchema, {
      taskId: this.#id,
      artifacts: [{ name: NAME, id, byteLength: BigInt(bytes.byteLength) }],
      hardware: { ...this.#hardware },
      parts: this.parts,
    });
    await this.#store.putResult(this.#id, result);
    const old = this.#own;
    this.#own = id;
    if (old !== id) await this.#forget(old);
  }

  async #forget(id: string | undefined): Promise<void> {
    if (this.#removes && id !== undefined) await this.#store.delete(id).catch(() => {});
  }
}

function artifactOf({ artifacts }: TaskResult): string | undefined {
  return artifacts.find(({ name }) => name === NAME)?.id;
}
