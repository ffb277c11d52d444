// A cluster for a test: a real nats-server and worker processes that may be killed.
import { setTimeout as sleep } from 'node:timers/promises';
import {
  BUCKETS,
  NatsLink,
  Records,
  setUpCluster,
  TASK_STREAM,
  WorkerEntrySchema,
} from '@kronlens/proto/nats';
import { TestNatsServer } from '@kronlens/proto/testing';
import { CODE_VERSION } from '../version.js';
import { type Running, startKronlens } from './kronlens-process.js';

/** Short, so that a killed worker's task soon goes to another. */
const ACK_WAIT_MS = 3000;

export class TestCluster {
  readonly server: TestNatsServer;
  readonly link: NatsLink;
  readonly #workers: Running[] = [];

  private constructor(server: TestNatsServer, link: NatsLink) {
    this.server = server;
    this.link = link;
  }

  static async start(): Promise<TestCluster> {
    const server = await TestNatsServer.start();
    const link = await NatsLink.open({ url: server.url, name: 'test' });
    await setUpCluster(link, { codeVersion: CODE_VERSION, ackWaitMs: ACK_WAIT_MS });
    return new TestCluster(server, link);
  }

  get url(): string {
    return this.server.url;
  }

  /** Starts a worker process of two tasks at a time, and waits until it says that it is there. */
  async startWorker(...more: readonly string[]): Promise<Running> {
    const before = (await this.workerNames()).length;
    const args = ['worker', '--nats', this.url, '--concurrency', '2', ...more];
    const worker = startKronlens(...args);
    this.#workers.push(worker);
    await this.until(async () => (await this.workerNames()).length > before);
    return worker;
  }

  async workerNames(): Promise<readonly string[]> {
    const entries = await new Records(this.link, BUCKETS.workers, WorkerEntrySchema).all();
    return entries.map(({ name }) => name);
  }

  /** Recorded results. */
  async results(): Promise<number> {
    return await this.#messages(`KV_${BUCKETS.results}`);
  }

  /** Tasks in the work queue, those under way included. */
  async queued(): Promise<number> {
    return await this.#messages(TASK_STREAM);
  }

  /** Forgets all recorded results, so that everything has to be computed again. */
  async forgetResults(): Promise<void> {
    await this.link.jsm.streams.purge(`KV_${BUCKETS.results}`);
  }

  async #messages(stream: string): Promise<number> {
    const { state } = await this.link.call('counting', () => this.link.jsm.streams.info(stream));
    return state.messages;
  }

  /** Waits until something is so. */
  async until(isSo: () => Promise<boolean>): Promise<void> {
    while (!(await isSo())) await sleep(20);
  }

  async remove(): Promise<void> {
    for (const worker of this.#workers) worker.kill('SIGKILL');
    await Promise.all(this.#workers.map(({ ended }) => ended));
    await this.link.close();
    await this.server.remove();
  }
}
