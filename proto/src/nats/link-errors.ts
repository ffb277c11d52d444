// What can be wrong with the NATS server, in words; and which failures pass by themselves.
import { JetStreamApiError } from '@nats-io/jetstream';
import { BadInputError, KronlensError } from '../errors/kronlens-error.js';

/** The server cannot be reached, or does not let us in. */
export class NatsUnreachableError extends KronlensError {
  constructor(url: string, cause: unknown) {
    super('nats-unreachable', `no NATS server answers at ${url}; check --nats and the server`, {
      retryable: true,
      badInput: true,
      cause,
    });
  }
}

/** User, password, key or certificate are wrong, or may not do this. */
export class NatsRefusedError extends BadInputError {
  constructor(url: string, what: string, cause: unknown) {
    super('nats-refused', `the NATS server at ${url} ${what}; check the credentials`, {}, cause);
  }
}

/** The server's certificate is not to be trusted. */
export class NatsCertificateError extends BadInputError {
  constructor(url: string, why: string, cause: unknown) {
    super(
      'nats-certificate',
      `the certificate of the NATS server at ${url} is not trusted: ${why}; name its authority with --nats-ca, or check the address`,
      {},
      cause,
    );
  }
}

/** The server does not have what a coordinator sets up. */
export class ClusterMissingError extends KronlensError {
  constructor(url: string, cause?: unknown) {
    super(
      'cluster-missing',
      `the NATS server at ${url} is not set up for this version of kronlens; a coordinator does that when it starts`,
      { retryable: true, cause },
    );
  }
}

/** The server has JetStream switched off, or lacks something else that is needed. */
export class NatsUnfitError extends BadInputError {
  constructor(url: string, why: string) {
    super('nats-unfit', `the NATS server at ${url} is of no use: ${why}`);
  }
}

/** The server took so long that we gave up. */
export class NatsSilentError extends KronlensError {
  constructor(url: string, what: string, seconds: number, cause: unknown) {
    super(
      'nats-silent',
      `${what}: the NATS server at ${url} did not answer for ${seconds} s; run again when it is back`,
      { retryable: true, cause },
    );
  }
}

const NAMES_OF_TRANSIENT = new Set([
  'TimeoutError',
  'NoResponders',
  'NoRespondersError',
  'ConnectionError',
  'JetStreamNotEnabled',
]);
const NAMES_OF_REFUSED = new Set([
  'AuthorizationError',
  'PermissionViolationError',
  'UserAuthenticationExpiredError',
]);

function* chain(error: unknown): Iterable<Error> {
  for (let at = error; at instanceof Error; at = at.cause) yield at;
}

/** The server is away or restarting: another try may succeed. */
export function isTransient(error: unknown): boolean {
  for (const { name, message } of chain(error)) {
    if (NAMES_OF_TRANSIENT.has(name) || /no responders|timeout/i.test(message)) return true;
  }
  return error instanceof JetStreamApiError && error.status === 503 && !isFull(error);
}

/** The server does not let us do it. */
export function isRefused(error: unknown): boolean {
  for (const { name, message } of chain(error))
    if (
      NAMES_OF_REFUSED.has(name) ||
      /permissions violation|authorization violation/i.test(message)
    )
      return true;
  return false;
}

const DISTRUSTED =
  /^(UNABLE_TO_|SELF_SIGNED_|DEPTH_ZERO_|CERT_|ERR_TLS_CERT_|HOSTNAME_MISMATCH|INVALID_CA)/;

/** What is wrong with the server's certificate, if that was it. */
export function whyDistrusted(error: unknown): string | undefined {
  for (const link of chain(error))
    if ('code' in link && DISTRUSTED.test(String(link.code))) return link.message;
  return undefined;
}

/** TLS was asked for, and the server has none. */
export function isWithoutTls(error: unknown): boolean {
  for (const { message } of chain(error)) if (/does not support 'tls'/.test(message)) return true;
  return false;
}

const NO_STREAM = 10059;
const NO_CONSUMER = 10014;
const STORE_FAILED = 10077;
const WRONG_LAST_SEQUENCE = [10071, 10164];

function apiCode(error: unknown): number | undefined {
  return error instanceof JetStreamApiError ? error.code : undefined;
}

/** A stream, bucket or consumer is not there. */
export const isNotThere = (error: unknown): boolean =>
  apiCode(error) === NO_STREAM || apiCode(error) === NO_CONSUMER;

/** A message with that subject is in the stream already, or the stream holds all that it may. */
export const isFull = (error: unknown): boolean => apiCode(error) === STORE_FAILED;

/** Another writer has changed what was to be replaced. */
export const isOutrun = (error: unknown): boolean =>
  WRONG_LAST_SEQUENCE.includes(apiCode(error) ?? 0);
