// Reads the files that open a NATS server: credentials, certificates and keys; checks them before they are used.
import { X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { createSecureContext } from 'node:tls';
import {
  type Authenticator,
  credsAuthenticator,
  nkeyAuthenticator,
  nkeys,
  type TlsOptions,
} from '@nats-io/transport-node';
import { BadInputError } from '../errors/kronlens-error.js';

/** A file is not what it should be. */
class BadCredentialsError extends BadInputError {
  constructor(path: string, what: string, cause: unknown) {
    super('bad-credentials', `${path}: ${what}`, {}, cause);
  }
}

async function read(path: string, what: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (cause) {
    throw new BadCredentialsError(path, `${what} cannot be read`, cause);
  }
}

const CREDS = /-----BEGIN NATS USER JWT-----[\s\S]+-----BEGIN USER NKEY SEED-----/;

/**
 * @param path of a .creds file, or of a file with the seed of an nkey
 * @throws BadInputError
 */
export async function readAuthenticator(path: string): Promise<Authenticator> {
  const text = (await read(path, 'credentials')).trim();
  const bytes = new TextEncoder().encode(text);
  // The client wants each line of the file to be ended.
  if (CREDS.test(text)) return credsAuthenticator(new TextEncoder().encode(`${text}\n`));
  try {
    nkeys.fromSeed(bytes);
  } catch (cause) {
    const what = 'this is neither a .creds file nor the seed of an nkey (SU...)';
    throw new BadCredentialsError(path, what, cause);
  }
  return nkeyAuthenticator(bytes);
}

/** Paths of PEM files. */
export interface TlsFiles {
  readonly ca?: string | undefined;
  readonly certificate?: string | undefined;
  readonly key?: string | undefined;
}

/** @returns undefined when no file is named @throws BadInputError */
export async function readTls({ ca, certificate, key }: TlsFiles): Promise<TlsOptions | undefined> {
  if (ca === undefined && certificate === undefined && key === undefined) return undefined;
  if ((certificate === undefined) !== (key === undefined))
    throw new BadInputError(
      'bad-credentials',
      'a certificate needs its key and a key its certificate; give --nats-certificate and --nats-key together',
    );
  const files: TlsOptions = {};
  if (ca !== undefined)
    files.ca = requireCertificate(await read(ca, 'certificate authorities'), ca);
  if (certificate === undefined || key === undefined) return files;
  files.cert = requireCertificate(await read(certificate, 'the certificate'), certificate);
  files.key = await read(key, 'the key');
  try {
    createSecureContext({ cert: files.cert, key: files.key });
  } catch (cause) {
    throw new BadCredentialsError(key, `this is not the key of ${certificate}`, cause);
  }
  return files;
}

function requireCertificate(text: string, path: string): string {
  try {
    new X509Certificate(text);
  } catch (cause) {
    throw new BadCredentialsError(path, 'this is no certificate in PEM form', cause);
  }
  return text;
}
