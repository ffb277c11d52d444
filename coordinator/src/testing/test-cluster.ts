// A cluster for a test: a real nats-server and worker processes that may be killed.
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import {
  BUCKETS,
  NatsLink,
  Records,
  type RunState,
  RunStateSchema,
  setUpCluster,
  TASK_STREAM,
  WorkerEntrySchema,
} from '@kronlens/proto/nats';
import { TestNatsServer } from '@kronlens/proto/testing';
import { CODE_VERSION } from '../version.js';
import { kronlensCommand, type Running, start } from './kronlens-process.js';

/** Short, so that a killed worker's task soon goes to another. */
export const ACK_WAIT_MS = 3000;

/** Short, so that a killed coordinator is soon replaced. */
const LEASE_SECONDS = 2;

const CONFIG = fileURLToPath(new URL('../../../docker/nats.conf', import.meta.url));
const PASSWORDS = {
  KRONLENS_COORDINATOR_PASSWORD: 'secret',
  KRONLENS_WORKER_PASSWORD: 'secret',
};

function withUser(url: string, user: string): string {
  return url.replace('//', `//${user}:secret@`);
}

export class TestCluster {
  readonly server: TestNatsServer;
  readonly link: NatsLink;
  readonly #processes: Running[] = [];
  readonly #guarded: boolean;

  private constructor(server: TestNatsServer, link: NatsLink, guarded: boolean) {
    this.server = server;
    this.#guarded = guarded;
    this.link = link;
  }

  /** @param guarded start the server with the configuration that is shipped, passwords included */
  static async start(guarded = false): Promise<TestCluster> {
    if (guarded) Object.assign(process.env, PASSWORDS);
    const server = await TestNatsServer.start(guarded ? CONFIG : undefined);
    const url = guarded ? withUser(server.url, 'coordinator') : server.url;
    const link = await NatsLink.open({ url, name: 'test', role: 'coordinator' });
    await setUpCluster(link, { codeVersion: CODE_VERSION, ackWaitMs: ACK_WAIT_MS });
    return new TestCluster(server, link, guarded);
  }

  /** The address for `kronlens analyze`. */
  get url(): string {
    return this.#guarded ? withUser(this.server.url, 'coordinator') : this.server.url;
  }

  /** Starts a worker process of two tasks at a time, and waits until it says that it is there. */
  async startWorker(...more: readonly string[]): Promise<Running> {
    const before = await this.workerNames();
    const worker = this.launchWorker(this.server.url, [], more);
    // Entries of killed workers expire meanwhile: counting would not do.
    await this.until(async () => (await this.workerNames()).some((name) => !before.includes(name)));
    return worker;
  }

  /** Starts a coordinator process, and waits until it serves or stands by. */
  async startCoordinator(...more: readonly string[]): Promise<Running> {
    const args = ['serve', '--nats', this.url, '--lease', String(LEASE_SECONDS), ...more];
    const coordinator = start(...kronlensCommand(args));
    this.#processes.push(coordinator);
    await coordinator.said(/ serves at |another coordinator is active/);
    return coordinator;
  }

  /** States of all runs. */
  async runs(): Promise<readonly RunState[]> {
    return await new Records(this.link, BUCKETS.runs, RunStateSchema).all();
  }

  /**
   * Starts a worker process and does not wait for it.
   * @param prefix a command that is to start it
   */
  launchWorker(
    address: string,
    prefix: readonly string[] = [],
    more: readonly string[] = [],
  ): Running {
    const url = this.#guarded ? withUser(address, 'worker') : address;
    const [node, args] = kronlensCommand(['worker', '--nats', url, '--concurrency', '2', ...more]);
    const [file = node, ...rest] = [...prefix, node, ...args];
    const worker = start(file, rest);
    this.#processes.push(worker);
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
    for (const running of this.#processes) running.kill('SIGKILL');
    await Promise.all(this.#processes.map(({ ended }) => ended));
    await this.link.close();
    await this.server.remove();
  }
}
