// What a task leaves behind.

/** Bytes under the name by which the task's result refers to them. */
export interface TaskArtifact {
  readonly name: string;
  readonly bytes: Uint8Array;
  /** Their content id, where whoever made them has computed it. */
  readonly id?: string;
}
