// A seeded schedule of kills, restarts and cuts over about two minutes changes no byte of any result.
//   KRONLENS_CHAOS_SECONDS=3600 KRONLENS_CHAOS_SEED=7 node scripts/run-tests.js cluster/chaos
import assert from 'node:assert/strict';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { noNatsServer } from '@kronlens/proto/testing';
import { analyze, expected as embedded, newCluster } from '../testing/cluster-run.js';
import { type CuttableLink, newCuttableLink } from '../testing/cuttable-link.js';
import { type Running, startKronlens } from '../testing/kronlens-process.js';
import { digests } from '../testing/result-folder.js';
import { ACK_WAIT_MS, type TestCluster } from '../testing/test-cluster.js';

const SECONDS = Number(process.env.KRONLENS_CHAOS_SECONDS ?? 90);
const SEED = Number(process.env.KRONLENS_CHAOS_SEED ?? 1);
const MOST_WORKERS = 3;

/** Numbers in [0, 1) that follow from a seed: a linear congruential generator modulo 2^32. */
function randomNumbers(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

const ACTIONS = [
  'kill a worker',
  'add a worker',
  'kill the client',
  'kill the coordinator',
  'kill the server',
  'cut a link',
];

/** Actions without end: all of them in one random order after the other. */
function* schedule(random: () => number): Generator<string, never> {
  for (;;) {
    const left = [...ACTIONS];
    while (left.length > 0) yield left.splice(Math.floor(random() * left.length), 1)[0] ?? '';
  }
}

/** The run under test: the command is started again, with --resume, as often as it is killed. */
class PersistentRun {
  readonly #cluster: TestCluster;
  readonly #out: string;
  #client: Running;
  #kills = 0;
  /** The command came to an end by itself. */
  isOver = false;

  constructor(cluster: TestCluster, out: string) {
    this.#cluster = cluster;
    this.#out = out;
    this.#client = this.#start();
  }

  #start(): Running {
    const how = ['--coordinator', 'cluster', '--shard', '8', '--resume'];
    const args = analyze(this.#out, '--nats', this.#cluster.url, ...how);
    const client = startKronlens(...args);
    const kills = this.#kills;
    void client.ended.then(async ({ stderr }) => {
      if (kills !== this.#kills) return;
      // It began while server or coordinator were away: whoever supervises it starts it again.
      if (!/no NATS server answers|no coordinator .* serves/.test(stderr)) this.isOver = true;
      else await sleep(500).then(() => this.kill());
    });
    return client;
  }

  async kill(): Promise<void> {
    if (this.isOver) return;
    this.#kills += 1;
    this.#client.kill('SIGKILL');
    await this.#client.ended;
    this.#client = this.#start();
  }

  async finished(expected: Record<string, string>): Promise<void> {
    while (!this.isOver) await sleep(100);
    const { code, stderr } = await this.#client.ended;
    assert.equal(code, 0, stderr);
    assert.deepEqual(await digests(this.#out), expected);
    await rm(this.#out, { recursive: true });
  }
}

/** What happens to the cluster. */
class Chaos {
  readonly #cluster: TestCluster;
  readonly #link: CuttableLink;
  readonly #random: () => number;
  readonly #workers: Running[] = [];
  readonly counts = new Map<string, number>();
  #coordinator: Running;

  constructor(
    cluster: TestCluster,
    coordinator: Running,
    link: CuttableLink,
    random: () => number,
  ) {
    this.#coordinator = coordinator;
    this.#cluster = cluster;
    this.#link = link;
    this.#random = random;
    this.#add();
    cluster.launchWorker(`nats://${link.host}:${link.port}`, link.prefix);
  }

  #add(): void {
    if (this.#workers.length < MOST_WORKERS)
      this.#workers.push(this.#cluster.launchWorker(this.#cluster.server.url));
  }

  async act(action: string, run: PersistentRun): Promise<void> {
    this.counts.set(action, (this.counts.get(action) ?? 0) + 1);
    if (action === 'kill a worker') {
      const at = Math.floor(this.#random() * this.#workers.length);
      const [worker] = this.#workers.splice(at, 1);
      worker?.kill('SIGKILL');
      await worker?.ended;
      await this.pause();
      if (this.#workers.length === 0) this.#add();
    } else if (action === 'add a worker') {
      this.#add();
    } else if (action === 'kill the client') {
      await run.kill();
    } else if (action === 'kill the coordinator') {
      this.#coordinator.kill('SIGKILL');
      await this.#coordinator.ended;
      await this.pause();
      this.#coordinator = await this.#cluster.startCoordinator();
    } else if (action === 'kill the server') {
      await this.#cluster.server.kill();
      await this.pause();
      await this.#cluster.server.restart();
    } else {
      this.#link.cut();
      await sleep(ACK_WAIT_MS + 2000);
      this.#link.mend();
    }
  }

  async pause(): Promise<void> {
    await sleep(500 + 1500 * this.#random());
  }
}

async function start(t: TestContext) {
  const { cluster, folder } = await newCluster(t);
  const link = await newCuttableLink(cluster.server.port);
  t.after(() => link.remove());
  return { cluster, link, folder };
}

test('whatever is killed, cut off and started again, the bytes are the same', {
  skip: noNatsServer,
  timeout: (SECONDS + 400) * 1000,
}, async (t) => {
  const { cluster, link, folder } = await start(t);
  const expected = await embedded();

  const random = randomNumbers(SEED);
  const chaos = new Chaos(cluster, await cluster.startCoordinator(), link, random);
  const actions = schedule(random);
  const start_ms = performance.now();
  const isTime = () => performance.now() - start_ms < SECONDS * 1000;
  let runs = 0;
  for (let run = new PersistentRun(cluster, join(folder, '0')); ; ) {
    while (!run.isOver && isTime()) {
      await chaos.pause();
      if (!run.isOver) await chaos.act(actions.next().value, run);
    }
    await run.finished(expected);
    runs += 1;
    await cluster.until(async () => (await cluster.queued()) === 0);
    if (!isTime()) break;
    await cluster.forgetResults();
    run = new PersistentRun(cluster, join(folder, String(runs)));
  }
  const done = [...chaos.counts].map(([action, count]) => `${count} x ${action}`).join(', ');
  t.diagnostic(`seed ${SEED}: ${runs} runs, links through ${link.kind}; ${done}`);
});
