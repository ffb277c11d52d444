// Sets up a NATS server for a cluster: the streams, buckets and consumers that are not there yet.
import {
  AckPolicy,
  type ConsumerConfig,
  DiscardPolicy,
  RetentionPolicy,
  StorageType,
  type StreamConfig,
} from '@nats-io/jetstream';
import { Kvm } from '@nats-io/kv';
import { nanos } from '@nats-io/transport-node';
import type { NatsLink } from './link.js';
import { isNotThere } from './link-errors.js';
import { ARTIFACT_STREAM, BUCKETS, TASK_STREAM, taskConsumer, taskSubject } from './names.js';
import { TASK_CLASSES } from './placement.js';

/** Tasks and chunks of artifacts have at most half of it. */
const MOST_MESSAGE_BYTES = 2 ** 20;
const DAY_MS = 24 * 60 * 60_000;
/** Of a record that is written anew the former ones stay, should a server be killed that replaces one. */
const KEPT_REVISIONS = 4;

export interface SetUpOptions {
  /** Version of the code whose tasks will be queued. */
  readonly codeVersion: string;
  /** A worker that is silent for so long has lost its task. */
  readonly ackWaitMs?: number;
  /** Artifacts, results and records are kept for so long. */
  readonly keepMs?: number;
  /** Entries of workers that are not renewed vanish after so long. */
  readonly workerTtlMs?: number;
  /** Copies of everything, on a server of several nodes. */
  readonly replicas?: number;
}

/**
 * Makes what is missing; what is there stays as it is, so that an administrator may have set it up
 * differently.
 * @throws NatsRefusedError when these credentials may not
 */
export async function setUpCluster(link: NatsLink, options: SetUpOptions): Promise<void> {
  const keepMs = options.keepMs ?? 7 * DAY_MS;
  const num_replicas = options.replicas ?? 1;
  await ensureStream(link, {
    name: TASK_STREAM,
    subjects: ['kronlens.task.>'],
    retention: RetentionPolicy.Workqueue,
    storage: StorageType.File,
    max_age: nanos(keepMs),
    max_msg_size: MOST_MESSAGE_BYTES,
    // A task that is queued or worked on is not queued again: its subject is taken.
    max_msgs_per_subject: 1,
    discard: DiscardPolicy.New,
    discard_new_per_subject: true,
    num_replicas,
  });
  await ensureStream(link, {
    name: ARTIFACT_STREAM,
    subjects: ['kronlens.artifact.>'],
    retention: RetentionPolicy.Limits,
    storage: StorageType.File,
    max_msg_size: MOST_MESSAGE_BYTES,
    max_age: nanos(keepMs),
    // As many messages of a subject as come, of which the last counts: servers that are killed while they
    // replace or remove messages may lose others, or take those for there that are not.
    discard: DiscardPolicy.New,
    allow_direct: true,
    num_replicas,
  });
  for (const taskClass of TASK_CLASSES) {
    await ensureConsumer(link, {
      durable_name: taskConsumer(taskClass, options.codeVersion),
      filter_subject: taskSubject(taskClass, options.codeVersion, '*'),
      ack_policy: AckPolicy.Explicit,
      ack_wait: nanos(options.ackWaitMs ?? 30_000),
      // Workers give up a task themselves: the server would drop it without a word.
      max_deliver: -1,
      max_ack_pending: 65_536,
      max_waiting: 8192,
    });
  }
  const buckets = new Kvm(link.js);
  for (const name of Object.values(BUCKETS)) {
    const ttl = name === BUCKETS.workers ? (options.workerTtlMs ?? 30_000) : keepMs;
    await link.call('setting up a bucket', () =>
      buckets.create(name, {
        ttl,
        history: KEPT_REVISIONS,
        replicas: num_replicas,
        storage: StorageType.File,
      }),
    );
  }
}

async function ensureConsumer(
  link: NatsLink,
  config: Partial<ConsumerConfig> & { durable_name: string },
): Promise<void> {
  await link.call('setting up a consumer', async () => {
    try {
      await link.jsm.consumers.info(TASK_STREAM, config.durable_name);
    } catch (error) {
      if (!isNotThere(error)) throw error;
      await link.jsm.consumers.add(TASK_STREAM, config);
    }
  });
}

async function ensureStream(
  link: NatsLink,
  config: Partial<StreamConfig> & { name: string },
): Promise<void> {
  await link.call('setting up a stream', async () => {
    try {
      await link.jsm.streams.info(config.name);
    } catch (error) {
      if (!isNotThere(error)) throw error;
      await link.jsm.streams.add(config);
    }
  });
}
