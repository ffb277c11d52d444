// Everything that other rooms may use of the NATS side of proto, by name.
export {
  type DeadLetter,
  DeadLetterSchema,
  type Dispatch,
  type TaskEvent,
  TaskEventSchema,
  type TaskTries,
  TaskTriesSchema,
  type WorkerEntry,
  WorkerEntrySchema,
  type WorkerNotes,
  WorkerNotesSchema,
} from '../gen/kronlens/v1/cluster_pb.js';
export { ArtifactTooLargeError, JetStreamStore } from './jetstream-store.js';
export { NatsLink } from './link.js';
export {
  ClusterMissingError,
  isFull,
  isNotThere,
  NatsCertificateError,
  NatsRefusedError,
  NatsUnfitError,
  NatsUnreachableError,
} from './link-errors.js';
export { type LinkOptions, withEnvironment } from './link-options.js';
export {
  BUCKETS,
  cancelSubject,
  eventSubject,
  TASK_STREAM,
  taskConsumer,
  taskSubject,
  token,
} from './names.js';
export { NATS_STORE, openStore, parseStore } from './open-store.js';
export { Records } from './records.js';
export { type SetUpOptions, setUpCluster } from './set-up.js';
export {
  decodeDispatch,
  decodeTaskEvent,
  dispatchedTask,
  encodeDispatch,
  encodeTaskEvent,
} from './task-wire.js';
