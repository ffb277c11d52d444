// A server with TLS, client certificates, nkeys and .creds lets in who should come in, and says what is wrong to others.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { nkeys } from '@nats-io/transport-node';
import { BadInputError } from '../errors/kronlens-error.js';
import { noNatsServer, TestNatsServer } from '../testing/nats-server.js';
import { NatsLink } from './link.js';
import { NatsCertificateError, NatsRefusedError, NatsUnfitError } from './link-errors.js';
import { type LinkOptions, withEnvironment } from './link-options.js';
import { setUpCluster } from './set-up.js';

const noOpenssl =
  spawnSync('openssl', ['version']).status === 0 ? false : 'there is no openssl here';
const skip = noNatsServer || noOpenssl;

async function newFolder(t: TestContext) {
  const folder = await mkdtemp(join(tmpdir(), 'kronlens-tls-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const write = async (name: string, text: string) => {
    await writeFile(join(folder, name), text);
    return join(folder, name);
  };
  return { path: (name: string) => join(folder, name), write };
}
type Folder = Awaited<ReturnType<typeof newFolder>>;

function openssl(...args: readonly string[]): void {
  const { status, stderr } = spawnSync('openssl', args, { encoding: 'utf8' });
  assert.equal(status, 0, stderr);
}

const NEW_KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];

function makeAuthority({ path }: Folder, name: string): void {
  const files = ['-keyout', path(`${name}.key`), '-out', path(`${name}.pem`)];
  openssl('req', '-x509', ...NEW_KEY, ...files, '-days', '2', '-subj', `/CN=${name}`);
}

/** @param subject alternative names, e.g. IP:127.0.0.1 */
async function makeCertificate(folder: Folder, name: string, subject: string): Promise<void> {
  const { path, write } = folder;
  const request = ['-keyout', path(`${name}.key`), '-out', path(`${name}.csr`)];
  openssl('req', ...NEW_KEY, ...request, '-subj', `/CN=${name}`);
  const names = await write(`${name}.ext`, `subjectAltName=${subject}\n`);
  const authority = ['-CA', path('ca.pem'), '-CAkey', path('ca.key'), '-CAcreateserial'];
  const files = ['-in', path(`${name}.csr`), '-out', path(`${name}.pem`), '-extfile', names];
  openssl('x509', '-req', ...files, ...authority, '-days', '2');
}

async function start(t: TestContext, config?: string): Promise<TestNatsServer> {
  const server = await TestNatsServer.start(config);
  t.after(() => server.remove());
  return server;
}

async function enter(options: Partial<LinkOptions> & { url: string }): Promise<void> {
  const link = await NatsLink.open({ name: 'test', role: 'coordinator', ...options });
  try {
    await setUpCluster(link, { codeVersion: 'v1' });
  } finally {
    await link.close();
  }
}

const tlsConfig = ({ path }: Folder, name: string, more = '') =>
  `tls { cert_file: "${path(`${name}.pem`)}", key_file: "${path(`${name}.key`)}", ca_file: "${path('ca.pem')}"\n${more} }`;

test('TLS: the authority is checked, the name too, and a client certificate where one is wanted', {
  skip,
  timeout: 60_000,
}, async (t) => {
  const folder = await newFolder(t);
  const { path, write } = folder;
  makeAuthority(folder, 'ca');
  makeAuthority(folder, 'other');
  await makeCertificate(folder, 'server', 'IP:127.0.0.1,DNS:localhost');
  await makeCertificate(folder, 'elsewhere', 'DNS:nats.example.org');
  await makeCertificate(folder, 'client', 'DNS:client');
  const server = await start(t, await write('plain.conf', tlsConfig(folder, 'server')));
  const { url } = server;
  const ca = path('ca.pem');
  await enter({ url, ca });
  await enter({ url: url.replace('nats:', 'tls:'), ca });
  const env = { KRONLENS_NATS_CA: ca };
  await enter(withEnvironment({ url, name: 'test', role: 'worker' }, env));
  for (const wrong of [{}, { ca: path('other.pem') }])
    await assert.rejects(
      enter({ url, ...wrong }),
      (error: unknown) =>
        error instanceof NatsCertificateError &&
        /is not trusted: .*; name its authority with --nats-ca/.test(error.message),
    );

  const misnamed = await start(t, await write('named.conf', tlsConfig(folder, 'elsewhere')));
  await assert.rejects(enter({ url: misnamed.url, ca }), NatsCertificateError);

  const mutual = await start(
    t,
    await write('mutual.conf', tlsConfig(folder, 'server', 'verify: true')),
  );
  await enter({ url: mutual.url, ca, certificate: path('client.pem'), key: path('client.key') });
  await assert.rejects(
    enter({ url: mutual.url, ca }),
    (error: unknown) =>
      error instanceof NatsRefusedError && /wants a certificate of its clients/.test(error.message),
  );

  const plain = await start(t);
  await assert.rejects(enter({ url: plain.url.replace('nats:', 'tls:') }), NatsUnfitError);
});

test('files that are no certificates, keys or credentials are named', {
  skip,
  timeout: 120_000,
}, async (t) => {
  const folder = await newFolder(t);
  const { path, write } = folder;
  makeAuthority(folder, 'ca');
  makeAuthority(folder, 'other');
  const text = await write('text', 'nothing of that kind');
  const url = 'nats://127.0.0.1:1';
  const wrong: [Partial<LinkOptions>, RegExp][] = [
    [{ ca: path('missing') }, /missing: certificate authorities cannot be read/],
    [{ ca: text }, /text: this is no certificate in PEM form/],
    [{ certificate: path('ca.pem') }, /give --nats-certificate and --nats-key together/],
    [{ certificate: path('ca.pem'), key: path('other.key') }, /other\.key: this is not the key of/],
    [{ credentials: path('missing') }, /missing: credentials cannot be read/],
    [{ credentials: text }, /text: this is neither a \.creds file nor the seed of an nkey/],
  ];
  for (const [options, message] of wrong)
    await assert.rejects(enter({ url, ...options }), (error: unknown) => {
      assert.ok(error instanceof BadInputError, String(error));
      assert.match(error.message, message);
      return true;
    });
});

const seedOf = (pair: { getSeed(): Uint8Array }) => new TextDecoder().decode(pair.getSeed());

test('nkeys: whose seed it is comes in, others are refused', {
  skip,
  timeout: 120_000,
}, async (t) => {
  const { write } = await newFolder(t);
  const [known, unknown] = [nkeys.createUser(), nkeys.createUser()];
  const config = `authorization { users: [ { nkey: ${known.getPublicKey()} } ] }`;
  const { url } = await start(t, await write('nats.conf', config));
  await enter({ url, credentials: await write('known', `${seedOf(known)}\n`) });
  await assert.rejects(
    enter({ url, credentials: await write('unknown', seedOf(unknown)) }),
    NatsRefusedError,
  );
});

interface Signer {
  getPublicKey(): string;
  sign(bytes: Uint8Array): Uint8Array;
}

/** A JWT as NATS has them. */
function token(issuer: Signer, subject: string, name: string, nats: object): string {
  const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const claims = { jti: name, iat: Math.floor(Date.now() / 1000), iss: issuer.getPublicKey() };
  const body = `${encode({ typ: 'JWT', alg: 'ed25519-nkey' })}.${encode({ ...claims, name, sub: subject, nats })}`;
  const signature = issuer.sign(new TextEncoder().encode(body));
  return `${body}.${Buffer.from(signature).toString('base64url')}`;
}

test('.creds: users of an account come in, users of nobody are refused', {
  skip,
  timeout: 120_000,
}, async (t) => {
  const { write } = await newFolder(t);
  const [operator, system, account, stranger] = [
    nkeys.createOperator(),
    nkeys.createAccount(),
    nkeys.createAccount(),
    nkeys.createAccount(),
  ];
  const limits = Object.fromEntries(
    ['subs', 'data', 'payload', 'imports', 'exports', 'conn', 'leaf'].map((name) => [name, -1]),
  );
  const storage = { mem_storage: -1, disk_storage: -1, streams: -1, consumer: -1 };
  const accountToken = (pair: Signer, name: string, more: object) =>
    token(operator, pair.getPublicKey(), name, {
      limits: { ...limits, wildcards: true, ...more },
      type: 'account',
      version: 2,
    });
  const config = [
    `operator: ${token(operator, operator.getPublicKey(), 'operator', { type: 'operator', version: 2 })}`,
    `system_account: ${system.getPublicKey()}`,
    'resolver: MEMORY',
    'resolver_preload: {',
    `  ${system.getPublicKey()}: ${accountToken(system, 'system', {})}`,
    `  ${account.getPublicKey()}: ${accountToken(account, 'account', storage)}`,
    '}',
  ];
  const { url } = await start(t, await write('nats.conf', config.join('\n')));
  const creds = (issuer: Signer) => {
    const user = nkeys.createUser();
    const claims = { pub: {}, sub: {}, subs: -1, data: -1, payload: -1, type: 'user', version: 2 };
    const jwt = token(issuer, user.getPublicKey(), 'user', claims);
    return `-----BEGIN NATS USER JWT-----\n${jwt}\n------END NATS USER JWT------\n\n-----BEGIN USER NKEY SEED-----\n${seedOf(user)}\n------END USER NKEY SEED------\n`;
  };
  await enter({ url, credentials: await write('user.creds', creds(account)) });
  await assert.rejects(
    enter({ url, credentials: await write('stranger.creds', creds(stranger)) }),
    NatsRefusedError,
  );
});
