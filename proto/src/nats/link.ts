// A connection to the NATS server that outlives its restarts: calls are repeated until it is back.
import { setTimeout as sleep } from 'node:timers/promises';
import {
  type JetStreamClient,
  type JetStreamManager,
  jetstream,
  jetstreamManager,
} from '@nats-io/jetstream';
import { connect, createInbox, type NatsConnection } from '@nats-io/transport-node';
import { KronlensError } from '../errors/kronlens-error.js';
import { askInfo } from './ask-info.js';
import {
  ClusterMissingError,
  isNotThere,
  isRefused,
  isTransient,
  isWithoutTls,
  NatsCertificateError,
  NatsRefusedError,
  NatsSilentError,
  NatsUnfitError,
  NatsUnreachableError,
  whyDistrusted,
} from './link-errors.js';
import {
  connectionOptions,
  inboxPrefix,
  type LinkOptions,
  parseAddresses,
  shownUrl,
} from './link-options.js';

/** How long one request may take before it is repeated. */
const REQUEST_MS = 10_000;
/** How long calls are repeated while the server is away. */
const PATIENCE_MS = 10 * 60_000;
const LEAST_PAYLOAD = 2 ** 20;

/** The answer to a request will not come any more. */
class ConnectionBrokenError extends Error {
  override readonly name = 'ConnectionBrokenError';
}

export interface LinkPatience {
  /** Calls are repeated for so long; default ten minutes. */
  readonly patienceMs?: number;
  /** Ends the waiting of calls. */
  readonly signal?: AbortSignal;
}

/** A connection, and JetStream on it. */
export class NatsLink {
  readonly connection: NatsConnection;
  readonly js: JetStreamClient;
  readonly jsm: JetStreamManager;
  /** The address, without a password. */
  readonly url: string;
  readonly #inboxPrefix: string;
  readonly #patienceMs: number;
  readonly #signal: AbortSignal | undefined;
  /** Ends the requests that are under way when the connection breaks: their answers are lost. */
  readonly #pending = new Set<(reason: Error) => void>();
  readonly #whenBack: (() => void)[] = [];
  #isDown = false;

  private constructor(
    connection: NatsConnection,
    jsm: JetStreamManager,
    { url, role }: Pick<LinkOptions, 'url' | 'role'>,
    { patienceMs, signal }: LinkPatience,
  ) {
    this.connection = connection;
    this.js = jetstream(connection, { checkAPI: false, timeout: REQUEST_MS });
    this.jsm = jsm;
    this.url = url;
    this.#inboxPrefix = inboxPrefix(role);
    this.#patienceMs = patienceMs ?? PATIENCE_MS;
    this.#signal = signal;
    void this.#watch();
  }

  async #watch(): Promise<void> {
    for await (const { type } of this.connection.status()) {
      if (type === 'disconnect') {
        this.#isDown = true;
        for (const abandon of this.#pending) abandon(new ConnectionBrokenError());
      } else if (type === 'reconnect') {
        this.#isDown = false;
        for (const resume of this.#whenBack.splice(0)) resume();
      }
    }
    for (const resume of this.#whenBack.splice(0)) resume();
  }

  /**
   * Connects once; later the connection is taken up again whenever it breaks.
   * @throws NatsUnreachableError, NatsRefusedError, NatsUnfitError
   */
  static async open(options: LinkOptions, patience: LinkPatience = {}): Promise<NatsLink> {
    const url = shownUrl(options.url);
    let connection: NatsConnection;
    try {
      connection = await connect(await connectionOptions(options));
    } catch (error) {
      throw error instanceof KronlensError ? error : await whyNotIn(options, url, error);
    }
    const unfit = whyUnfit(connection);
    if (unfit !== undefined) {
      await connection.close();
      throw new NatsUnfitError(url, unfit);
    }
    const jsm = await jetstreamManager(connection, { checkAPI: false, timeout: REQUEST_MS });
    return new NatsLink(connection, jsm, { url, role: options.role }, patience);
  }

  /**
   * Does something that may be done twice, again and again while the server is away.
   * @param what for messages, for example "storing an artifact"
   * @throws NatsSilentError, NatsRefusedError, ClusterMissingError; the operation's own error
   */
  async call<T>(what: string, operation: () => Promise<T>): Promise<T> {
    const start = performance.now();
    for (let delayMs = 100; ; delayMs = Math.min(2 * delayMs, 3000)) {
      this.#signal?.throwIfAborted();
      try {
        return await this.#once(operation);
      } catch (error) {
        this.#requireWorthRepeating(what, error, performance.now() - start);
      }
      await this.#pause(delayMs, this.#patienceMs - (performance.now() - start));
    }
  }

  async #once<T>(operation: () => Promise<T>): Promise<T> {
    if (this.#isDown) throw new ConnectionBrokenError();
    let abandon: (reason: Error) => void = () => {};
    const broken = new Promise<never>((_, reject) => {
      abandon = reject;
    });
    this.#pending.add(abandon);
    try {
      return await Promise.race([operation(), broken]);
    } finally {
      this.#pending.delete(abandon);
    }
  }

  #requireWorthRepeating(what: string, error: unknown, waitedMs: number): void {
    if (this.connection.isClosed())
      throw new KronlensError('nats-closed', `${what}: the NATS connection is closed`, {
        retryable: true,
        cause: error,
      });
    if (isRefused(error)) throw new NatsRefusedError(this.url, `refuses ${what}`, error);
    if (isNotThere(error)) throw new ClusterMissingError(this.url, error);
    if (!(error instanceof ConnectionBrokenError) && !isTransient(error)) throw error;
    if (waitedMs >= this.#patienceMs)
      throw new NatsSilentError(this.url, what, Math.round(waitedMs / 1000), error);
  }

  /** Waits for the connection to be back, at most `mostMs`, or where it is there `delayMs`. */
  async #pause(delayMs: number, mostMs: number): Promise<void> {
    const ends = new AbortController();
    const signal = AbortSignal.any([ends.signal, ...(this.#signal ? [this.#signal] : [])]);
    if (this.#isDown) this.#whenBack.push(() => ends.abort());
    const ms = Math.max(0, this.#isDown ? mostMs : Math.min(delayMs, mostMs));
    await sleep(ms, undefined, { signal }).catch(() => {});
    this.#signal?.throwIfAborted();
  }

  /** The server is reached at the moment. */
  get isUp(): boolean {
    return !this.#isDown && !this.connection.isClosed();
  }

  /** A subject of our own for answers. */
  newInbox(): string {
    return createInbox(this.#inboxPrefix);
  }

  /** Sends what is still to be sent, then closes. */
  async close(): Promise<void> {
    if (this.connection.isClosed()) return;
    await Promise.race([
      this.connection.drain().catch(() => {}),
      sleep(2000, undefined, { ref: false }),
    ]);
    await this.connection.close();
  }
}

/** What the client says when it could not connect is often not the reason. */
async function whyNotIn(options: LinkOptions, url: string, error: unknown): Promise<KronlensError> {
  if (isRefused(error)) return new NatsRefusedError(url, 'does not let us in', error);
  const distrust = whyDistrusted(error);
  if (distrust !== undefined) return new NatsCertificateError(url, distrust, error);
  if (isWithoutTls(error))
    return new NatsUnfitError(url, 'it does not speak TLS, which you asked for');
  const [address = ''] = parseAddresses(options.url).servers;
  const [, hostname = '', port] = /^\[?(.*?)\]?:(\d+)$/.exec(address) ?? [];
  const info =
    options.certificate === undefined ? await askInfo(hostname, Number(port)) : undefined;
  return info?.wantsCertificate === true
    ? new NatsRefusedError(
        url,
        'wants a certificate of its clients (--nats-certificate and --nats-key)',
        error,
      )
    : new NatsUnreachableError(url, error);
}

function whyUnfit({ info }: NatsConnection): string | undefined {
  if (info === undefined) return undefined;
  if (info.jetstream !== true) return 'JetStream is off; start it with nats-server -js';
  if (info.max_payload < LEAST_PAYLOAD)
    return `its max_payload is ${info.max_payload} bytes; set it to 1MB or more`;
  return undefined;
}
