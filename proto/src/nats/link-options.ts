// How to reach a NATS server: addresses, credentials and TLS, from options and the environment.
import type { ConnectionOptions } from '@nats-io/transport-node';
import { BadInputError } from '../errors/kronlens-error.js';
import { readAuthenticator, readTls } from './credentials.js';

/** How long a server may take to let us in. */
const CONNECT_MS = 10_000;

export interface LinkOptions {
  /** `nats://host:port` or `tls://host:port`, several separated by commas; may hold user:password@. */
  readonly url: string;
  /** Shown in the server's list of connections. */
  readonly name: string;
  /** What the process is; permissions on the server may depend on it. */
  readonly role: 'coordinator' | 'worker';
  /** File with credentials (.creds) or with the seed of an nkey. */
  readonly credentials?: string | undefined;
  readonly user?: string | undefined;
  readonly password?: string | undefined;
  /** File of certificate authorities (PEM) that the server's certificate is checked against. */
  readonly ca?: string | undefined;
  /** Files of the client's certificate and key (PEM). */
  readonly certificate?: string | undefined;
  readonly key?: string | undefined;
}

/** Options by environment variable, for containers and so that passwords stay out of command lines. */
const VARIABLES = {
  credentials: 'KRONLENS_NATS_CREDENTIALS',
  user: 'KRONLENS_NATS_USER',
  password: 'KRONLENS_NATS_PASSWORD',
  ca: 'KRONLENS_NATS_CA',
  certificate: 'KRONLENS_NATS_CERTIFICATE',
  key: 'KRONLENS_NATS_KEY',
} as const satisfies Partial<Record<keyof LinkOptions, string>>;

/** The options with what they leave open taken from KRONLENS_NATS_* variables. */
export function withEnvironment(options: LinkOptions, env: NodeJS.ProcessEnv): LinkOptions {
  const found: Partial<Record<keyof typeof VARIABLES, string>> = {};
  for (const name of Object.keys(VARIABLES) as (keyof typeof VARIABLES)[]) {
    const value = options[name] ?? env[VARIABLES[name]];
    if (value !== undefined && value !== '') found[name] = value;
  }
  return { url: options.url, name: options.name, role: options.role, ...found };
}

interface Addresses {
  /** `host:port` each. */
  readonly servers: string[];
  readonly user: string | undefined;
  readonly password: string | undefined;
  readonly tls: boolean;
}

/** @throws BadInputError */
export function parseAddresses(text: string): Addresses {
  let user: string | undefined;
  let password: string | undefined;
  let tls = false;
  const servers = text.split(',').map((part) => {
    const whole = part.trim().includes('://') ? part.trim() : `nats://${part.trim()}`;
    let url: URL;
    try {
      url = new URL(whole);
    } catch (cause) {
      throw new BadInputError(
        'bad-url',
        `'${part}' is no address of a NATS server; give one like nats://localhost:4222`,
        {},
        cause,
      );
    }
    if (!['nats:', 'tls:'].includes(url.protocol) || url.hostname === '')
      throw new BadInputError(
        'bad-url',
        `'${part}' is no address of a NATS server; give one like nats://localhost:4222`,
      );
    tls ||= url.protocol === 'tls:';
    if (url.username !== '') user = decodeURIComponent(url.username);
    if (url.password !== '') password = decodeURIComponent(url.password);
    return `${url.hostname}:${url.port || '4222'}`;
  });
  return { servers, user, password, tls };
}

/** The address without its password, for messages. */
export function shownUrl(url: string): string {
  return url.replace(/\/\/[^@/]*@/g, '//');
}

/** Answers go to the role's own subjects, so that no worker hears what is meant for coordinators. */
export function inboxPrefix(role: LinkOptions['role']): string {
  return `_INBOX_kronlens_${role}`;
}

/** What the NATS client wants to hear. @throws BadInputError for an address or a file that is of no use */
export async function connectionOptions(options: LinkOptions): Promise<ConnectionOptions> {
  const { servers, user, password, tls } = parseAddresses(options.url);
  const files = await readTls(options);
  const name = options.user ?? user;
  const secret = options.password ?? password;
  return {
    servers,
    name: options.name,
    timeout: CONNECT_MS,
    inboxPrefix: inboxPrefix(options.role),
    // Stack traces made ahead for every request would take a third of the client's time.
    noAsyncTraces: true,
    // A link that is cut without a word is noticed within a minute.
    pingInterval: 20_000,
    maxPingOut: 2,
    maxReconnectAttempts: -1,
    reconnectTimeWait: 500,
    reconnectJitter: 500,
    // A server that restarts may refuse a moment long what it accepts later.
    ignoreAuthErrorAbort: false,
    ...(name === undefined ? {} : { user: name }),
    ...(secret === undefined ? {} : { pass: secret }),
    ...(tls || files !== undefined ? { tls: files ?? {} } : {}),
    ...(options.credentials === undefined
      ? {}
      : { authenticator: await readAuthenticator(options.credentials) }),
  };
}
