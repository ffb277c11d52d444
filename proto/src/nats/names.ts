// Names on the NATS server: streams, subjects, consumers and buckets of a cluster.

import type { TaskClass } from './placement.js';

/** Work-queue stream of tasks, one subject a task. */
export const TASK_STREAM = 'KRONLENS_TASKS';
/** Stream of artifacts, cut into chunks. */
export const ARTIFACT_STREAM = 'KRONLENS_ARTIFACTS';

/** Key-value buckets. */
export const BUCKETS = {
  /** Task id -> TaskResult. */
  results: 'kronlens_results',
  /** Worker name -> WorkerNotes: what it has in hand, or had when it was lost. */
  notes: 'kronlens_notes',
  /** Task id -> TaskTries: errors that may pass. */
  tries: 'kronlens_tries',
  /** Task id -> DeadLetter. */
  dead: 'kronlens_dead',
  /** Worker name -> WorkerEntry; entries expire. */
  workers: 'kronlens_workers',
  /** Run -> RunState. */
  runs: 'kronlens_runs',
  /** Run -> RunWish. */
  wishes: 'kronlens_wishes',
  /** Code version -> CoordinatorLease. */
  coordinators: 'kronlens_coordinators',
} as const;

/** A text as one token of a subject or a consumer's name. */
export function token(text: string): string {
  return text.replace(/[^A-Za-z0-9-]/g, '_');
}

/** Tasks of another code version never reach a worker: the version is part of the subject. */
export function taskSubject(taskClass: TaskClass, codeVersion: string, taskId: string): string {
  return `kronlens.task.${taskClass}.${token(codeVersion)}.${taskId}`;
}

/** The durable consumer that the workers of one class and code version share. */
export function taskConsumer(taskClass: TaskClass, codeVersion: string): string {
  return `${taskClass}-${token(codeVersion)}`;
}

/** Where workers announce what becomes of a run's tasks. Not stored: the records are what counts. */
export function eventSubject(run: string, taskId: string): string {
  return `kronlens.run.${token(run)}.task.${taskId}`;
}

/** A message there asks workers to drop the run's tasks. */
export function cancelSubject(run: string): string {
  return `kronlens.run.${token(run)}.cancel`;
}

/** Subject of an artifact's head; `*` as the id: of all. */
export function headSubject(id: string): string {
  return `kronlens.artifact.${id}.head`;
}

/** Everything of an artifact. */
export function artifactSubjects(id: string): string {
  return `kronlens.artifact.${id}.>`;
}

/** Subject of a chunk. @param chunkLength of all chunks but the last, in bytes */
export function chunkSubject(id: string, chunkLength: number, index: number): string {
  return `kronlens.artifact.${id}.${chunkLength}.${index}`;
}

/** Where a run says how far it is. Not stored. */
export function newsSubject(run: string): string {
  return `kronlens.run.${token(run)}.news`;
}

/** The active coordinator of a code version answers there who it is. */
export function helloSubject(codeVersion: string): string {
  return `kronlens.coordinator.${token(codeVersion)}.hello`;
}

/** A message there makes the active coordinator look for new runs and wishes at once. */
export function wakeSubject(codeVersion: string): string {
  return `kronlens.coordinator.${token(codeVersion)}.wake`;
}
