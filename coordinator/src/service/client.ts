// What users do with a cluster's runs: submit, follow, fetch, list, cancel.
import { randomBytes } from 'node:crypto';
import {
  BadInputError,
  create,
  fromErrorReport,
  KronlensError,
  type Task,
  type TaskResult,
} from '@kronlens/proto';
import {
  BUCKETS,
  ClusterMissingError,
  type CoordinatorHello,
  decodeHello,
  decodeRunNews,
  helloSubject,
  type LinkOptions,
  NatsLink,
  newsSubject,
  openStore,
  Records,
  type RunNews,
  type RunState,
  RunStateSchema,
  RunStatus,
  RunWishSchema,
  TASK_STREAM,
  wakeSubject,
} from '@kronlens/proto/nats';
import { openLocalTasks } from '../embedded.js';
import type { AnalysisRequest } from '../plan/prepare-run.js';
import { CODE_VERSION } from '../version.js';
import { collectGarbage, type Garbage, type GarbageOptions } from './collect-garbage.js';
import { storeRequest } from './run-request.js';
import { hasEnded } from './run-status.js';
import { fetchFiles, readStoredFolder } from './stored-folder.js';

/** How long a coordinator may take to say that it is there. */
const HELLO_MS = 2000;
/** How often the state of a run is looked at, should news be lost. */
const LOOK_MS = 1000;

/** A cluster as its users see it. */
export class ClusterClient {
  readonly #link: NatsLink;
  readonly #states: Records<typeof RunStateSchema>;
  readonly #wishes: Records<typeof RunWishSchema>;
  readonly #signal: AbortSignal;

  private constructor(link: NatsLink, signal: AbortSignal) {
    this.#link = link;
    this.#signal = signal;
    this.#states = new Records(link, BUCKETS.runs, RunStateSchema);
    this.#wishes = new Records(link, BUCKETS.wishes, RunWishSchema);
  }

  /** @throws NatsUnreachableError, NatsRefusedError, NatsUnfitError */
  static async open(options: LinkOptions, signal: AbortSignal): Promise<ClusterClient> {
    return new ClusterClient(await NatsLink.open(options, { signal }), signal);
  }

  /** The server's address, without a password. */
  get url(): string {
    return this.#link.url;
  }

  /** The active coordinator of our version; undefined where none answers. */
  async coordinator(): Promise<CoordinatorHello | undefined> {
    try {
      const answer = await this.#link.connection.request(helloSubject(CODE_VERSION), '', {
        timeout: HELLO_MS,
      });
      return decodeHello(answer.data);
    } catch {
      this.#signal.throwIfAborted();
      return undefined;
    }
  }

  /**
   * Hands a run to the coordinator.
   * @returns the run's name
   * @throws ModelError, BadInputError when model or data cannot be used
   */
  async submit(request: AnalysisRequest, { store: storeName }: CoordinatorHello): Promise<string> {
    const store = openStore(this.#link, storeName);
    const local = await openLocalTasks(store, this.#signal);
    let stored: string;
    try {
      stored = await storeRequest(
        store,
        request,
        (task: Task): Promise<TaskResult> => local.execute(task),
      );
    } finally {
      await local.close();
    }
    for (;;) {
      const run = randomBytes(4).toString('hex');
      const state = create(RunStateSchema, {
        run,
        codeVersion: CODE_VERSION,
        status: RunStatus.WAITING,
        model: request.execution.model,
        submittedMs: BigInt(Date.now()),
        request: stored,
        store: storeName,
      });
      if ((await this.#states.replace(run, state, 0)) === undefined) continue;
      this.#wake();
      return run;
    }
  }

  #wake(): void {
    this.#link.connection.publish(wakeSubject(CODE_VERSION));
  }

  /** All runs that are known, of any version, in the order of their submission. */
  async runs(): Promise<readonly RunState[]> {
    const states = await this.#ifSetUp(() => this.#states.all());
    return [...states].sort((a, b) => Number(a.submittedMs - b.submittedMs));
  }

  async #ifSetUp<T>(look: () => Promise<readonly T[]>): Promise<readonly T[]> {
    try {
      return await look();
    } catch (error) {
      if (error instanceof ClusterMissingError) return [];
      throw error;
    }
  }

  /** @param name of the run, or the beginning of it @throws BadInputError when it is not there */
  async find(name: string): Promise<RunState> {
    const found = (await this.runs()).filter(({ run }) => run.startsWith(name));
    const [state] = found.length > 1 ? found.filter(({ run }) => run === name) : found;
    if (state !== undefined) return state;
    throw new BadInputError(
      'no-such-run',
      found.length === 0
        ? `there is no run ${name} at ${this.url}; kronlens runs lists those that there are`
        : `several runs begin with ${name}; give more of the name`,
    );
  }

  /** Asks the coordinator to end the run. */
  async cancel(run: string): Promise<void> {
    await this.#wishes.put(run, create(RunWishSchema, { run, cancel: true }));
    this.#wake();
  }

  /**
   * Waits for the end of a run.
   * @param hear gets news of its progress
   * @param missing is told when no coordinator is there
   * @param lost results of an earlier end, which does not count
   */
  async follow(
    run: string,
    hear: (news: RunNews) => void,
    missing: () => void,
    lost?: string,
  ): Promise<RunState> {
    let wake = () => {};
    let heardMs = performance.now();
    let said = false;
    const subscription = this.#link.connection.subscribe(newsSubject(run), {
      callback: (_, { data }) => {
        const news = readNews(data);
        if (news === undefined) return;
        heardMs = performance.now();
        said = false;
        if (news.ended) wake();
        else hear(news);
      },
    });
    const interrupted = () => wake();
    this.#signal.addEventListener('abort', interrupted);
    try {
      for (;;) {
        const state = await this.#states.get(run);
        this.#signal.throwIfAborted();
        if (state === undefined)
          throw new KronlensError(
            'run-lost',
            `run ${run} is not known any more at ${this.url}; submit it again`,
          );
        if (hasEnded(state) && state.results !== lost) return state;
        if (performance.now() - heardMs > 5 * LOOK_MS && !said) {
          said = (await this.coordinator()) === undefined;
          if (said) missing();
        }
        await new Promise<void>((resolve) => {
          const timer = setTimeout(resolve, LOOK_MS);
          wake = () => {
            clearTimeout(timer);
            resolve();
          };
        });
      }
    } finally {
      this.#signal.removeEventListener('abort', interrupted);
      subscription.unsubscribe();
    }
  }

  /**
   * Writes the result folder of a finished run.
   * @param keep leave it on the cluster as well
   * @throws KronlensError: why the run failed, or that it was cancelled or fetched already, or which
   *   artifact the server has lost
   */
  async fetch(state: RunState, out: string, keep: boolean): Promise<void> {
    const { run, status, results, error } = state;
    if (status === RunStatus.FAILED && error !== undefined) throw fromErrorReport(error);
    if (status === RunStatus.CANCELLED)
      throw new KronlensError('run-cancelled', `run ${run} was cancelled`);
    if (results === '')
      throw new BadInputError(
        'run-fetched',
        `the results of run ${run} were fetched already and are not kept on the cluster; run it again`,
      );
    const store = openStore(this.#link, state.store);
    await fetchFiles(store, await readStoredFolder(store, results), out);
    if (keep) return;
    await this.#wishes.put(run, create(RunWishSchema, { run, release: true }));
    this.#wake();
  }

  /** Asks the coordinator to have a run that has ended make its results again. */
  async makeAgain(run: string): Promise<void> {
    await this.#wishes.put(run, create(RunWishSchema, { run, again: true }));
    this.#wake();
  }

  /**
   * Removes what no run needs any more.
   * @param storeName as `parseStore` gives it
   * @throws BadInputError while runs go on
   */
  async collectGarbage(
    storeName: string,
    options: Pick<GarbageOptions, 'beforeMs' | 'dryRun'>,
  ): Promise<Garbage> {
    let checkedMs = Number.NEGATIVE_INFINITY;
    const check = async () => {
      this.#signal.throwIfAborted();
      if (performance.now() - checkedMs < LOOK_MS) return;
      checkedMs = performance.now();
      const active = (await this.runs()).filter((state) => !hasEnded(state));
      const what =
        active.length > 0
          ? `run ${active.map(({ run }) => run).join(', ')} goes on`
          : (await this.#queuedTasks()) > 0
            ? 'tasks are queued'
            : undefined;
      if (what !== undefined)
        throw new BadInputError(
          'runs-active',
          `${what} at ${this.url} and may need anything that is stored; wait for the end, or kronlens cancel <run>`,
        );
    };
    await check();
    const wanted = (await this.runs()).flatMap(({ store, results }) =>
      results !== '' && store === storeName ? [results] : [],
    );
    const store = openStore(this.#link, storeName);
    return await collectGarbage(store, { ...options, wanted, check });
  }

  async #queuedTasks(): Promise<number> {
    const [count = 0] = await this.#ifSetUp(async () => {
      const info = await this.#link.call('looking at the queue', () =>
        this.#link.jsm.streams.info(TASK_STREAM),
      );
      return [info.state.messages];
    });
    return count;
  }

  async close(): Promise<void> {
    await this.#link.close();
  }
}

function readNews(data: Uint8Array): RunNews | undefined {
  try {
    return decodeRunNews(data);
  } catch {
    return undefined;
  }
}
