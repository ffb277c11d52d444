// Everything that other rooms may use of the NATS side of proto, by name.
export {
  type CoordinatorHello,
  CoordinatorHelloSchema,
  type CoordinatorLease,
  CoordinatorLeaseSchema,
  type DeadLetter,
  DeadLetterSchema,
  type DescribedFile,
  DescribedFileSchema,
  type Dispatch,
  type RunNews,
  RunNewsSchema,
  type RunRequest,
  RunRequestSchema,
  type RunState,
  RunStateSchema,
  RunStatus,
  type RunWish,
  RunWishSchema,
  type StoredFile,
  StoredFileSchema,
  type StoredFolder,
  StoredFolderSchema,
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
  helloSubject,
  newsSubject,
  TASK_STREAM,
  taskConsumer,
  taskSubject,
  token,
  wakeSubject,
} from './names.js';
export { NATS_STORE, openStore, parseStore } from './open-store.js';
export {
  canTake,
  NotForThisWorkerError,
  needsInWords,
  TASK_CLASSES,
  type TaskClass,
  type TaskNeeds,
  taskClass,
  taskNeeds,
  type WorkerMeans,
  workerClasses,
} from './placement.js';
export { type RecordEntry, Records } from './records.js';
export {
  decodeHello,
  decodeRunNews,
  decodeRunRequest,
  decodeStoredFolder,
  encodeHello,
  encodeRunNews,
  encodeRunRequest,
  encodeStoredFolder,
} from './run-wire.js';
export { type SetUpOptions, setUpCluster } from './set-up.js';
export {
  decodeDispatch,
  decodeTaskEvent,
  dispatchedTask,
  dispatchNeeds,
  encodeDispatch,
  encodeTaskEvent,
} from './task-wire.js';
