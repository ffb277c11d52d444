// The compose file, the Dockerfile and the scripts of the images: what can be shown of them without a Docker engine.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { access, constants, copyFile, mkdir, readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { freePort, noNatsServer } from '@kronlens/proto/testing';
import { parse } from 'yaml';
import { start } from '../testing/kronlens-process.js';
import { temporaryFolder } from '../testing/result-folder.js';
import { TestCluster } from '../testing/test-cluster.js';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
const path = (name: string) => join(ROOT, name);

interface Service {
  readonly image?: string;
  readonly user?: string;
  readonly build?: { readonly context: string; readonly target: string };
  readonly command?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  readonly volumes?: readonly string[];
  readonly networks?: readonly string[];
  readonly ports?: readonly string[];
  readonly profiles?: readonly string[];
  readonly healthcheck?: { readonly test: readonly string[] };
  readonly restart?: string;
  readonly deploy?: unknown;
  readonly depends_on?: Readonly<Record<string, { readonly condition: string }>>;
}

interface Compose {
  readonly services: Readonly<Record<string, Service>>;
  readonly networks: Readonly<Record<string, unknown>>;
  readonly volumes: Readonly<Record<string, unknown>>;
}

async function compose(): Promise<Compose> {
  return parse(await readFile(path('docker-compose.yml'), 'utf8'), { merge: true });
}

/** Names of variables that have to be set. */
const required = (text: string) =>
  [...text.matchAll(/\$\{([A-Z_]+):\?/g)].map(([, name = '']) => name);

test('secrets are made once, for everything that the compose file wants, and for nobody else to read', async (t) => {
  const { folder, remove } = await temporaryFolder();
  t.after(remove);
  await mkdir(join(folder, 'scripts'));
  const script = join(folder, 'scripts', 'make-secrets.sh');
  await copyFile(path('scripts/make-secrets.sh'), script);
  const env = async () => {
    const { status, stderr } = spawnSync('bash', [script], { encoding: 'utf8' });
    assert.equal(status, 0, stderr);
    return await readFile(join(folder, '.env'), 'utf8');
  };
  const first = await env();
  assert.equal(await env(), first);
  assert.equal((await stat(join(folder, '.env'))).mode & 0o777, 0o600);
  const made = Object.fromEntries(
    first
      .trim()
      .split('\n')
      .map((line) => line.split('=')),
  );
  for (const name of required(await readFile(path('docker-compose.yml'), 'utf8')))
    assert.match(made[name] ?? '', /^k[0-9a-f]{48}$/, name);
  assert.equal(new Set(Object.values(made)).size, Object.keys(made).length);
  assert.equal(made.KRONLENS_USER, `${process.getuid?.()}:${process.getgid?.()}`);
  const out = await stat(join(folder, 'out'));
  assert.deepEqual([out.uid, out.mode & 0o777], [process.getuid?.(), 0o755]);
});

test('the compose file says what a cluster needs, and lends no secrets', async () => {
  const { services, networks, volumes } = await compose();
  assert.deepEqual(Object.keys(services).sort(), [
    ...['analyze', 'coordinator', 'nats', 'worker', 'worker-gpu'],
  ]);
  const stages = [...(await readFile(path('Dockerfile'), 'utf8')).matchAll(/^FROM .* AS (\S+)$/gm)];
  for (const [name, service] of Object.entries(services)) {
    assert.deepEqual(service.networks, ['cluster'], name);
    assert.equal(service.ports, undefined, `${name} is not reached from outside`);
    assert.match(service.image ?? '', /:\d+\.\d+\.\d+/, `${name}: the image is pinned`);
    if (service.build !== undefined)
      assert.ok(
        stages.some(([, stage]) => stage === service.build?.target),
        name,
      );
    if (name !== 'nats') assert.equal(service.depends_on?.nats?.condition, 'service_healthy');
    if (name !== 'analyze') assert.equal(service.restart, 'unless-stopped', name);
    for (const volume of service.volumes ?? []) {
      const [source = ''] = volume.split(/:(?=\/)/);
      if (source.startsWith('./')) await access(path(source));
      else if (!source.startsWith('$')) assert.ok(source in volumes, volume);
    }
  }
  assert.deepEqual(Object.keys(networks), ['cluster']);
  // Those that see the user's folders work as the user.
  for (const [name, { volumes, user }] of Object.entries(services)) {
    const folders = (volumes ?? []).some((volume) => volume.startsWith('${KRONLENS_'));
    if (folders) assert.match(user ?? '', /^\$\{KRONLENS_USER:-node\}$/, name);
    else assert.equal(user, undefined, name);
  }
  for (const name of ['nats', 'coordinator', 'worker', 'worker-gpu'])
    assert.equal(services[name]?.healthcheck?.test[0], 'CMD', name);
  for (const name of ['worker', 'worker-gpu']) {
    const { environment, command } = services[name] ?? {};
    assert.equal(environment?.KRONLENS_NATS_USER, 'worker');
    assert.ok(!JSON.stringify(environment).includes('COORDINATOR'), name);
    assert.equal(command?.[0], 'worker');
  }
  assert.deepEqual(services['worker-gpu']?.profiles, ['gpu']);
  assert.match(JSON.stringify(services['worker-gpu']?.deploy), /"driver":"nvidia"/);
  assert.ok(services.nats?.command?.includes('-js'));
  assert.ok(services.nats?.volumes?.includes('nats:/data'));
});

const COMPOSE = [['docker', 'compose'], ['docker-compose']].find(
  ([file = '', ...args]) => spawnSync(file, [...args, 'version']).status === 0,
);
const noCompose =
  COMPOSE === undefined ? 'neither docker compose nor docker-compose is here' : false;

test('docker compose accepts the compose file', { skip: noCompose }, async () => {
  const names = required(await readFile(path('docker-compose.yml'), 'utf8'));
  const env = { ...process.env, ...Object.fromEntries(names.map((name) => [name, 'secret'])) };
  const [file = '', ...first] = COMPOSE ?? [];
  const profiles = ['gpu', 'run'].flatMap((name) => ['--profile', name]);
  const args = [...first, ...profiles, '-f', path('docker-compose.yml'), 'config', '--quiet'];
  const { status, stderr } = spawnSync(file, args, { env, encoding: 'utf8' });
  assert.equal(status, 0, stderr);
});

test('all that the Dockerfile runs and copies is there, and is sound shell', async () => {
  const text = await readFile(path('Dockerfile'), 'utf8');
  const used = [...text.matchAll(/\bdocker\/[a-z-]+\.sh\b/g)].map(([name]) => name);
  assert.ok(used.length >= 3);
  const scripts = (await readdir(path('docker'))).filter((name) => name.endsWith('.sh'));
  for (const name of new Set([...used, ...scripts.map((script) => `docker/${script}`)])) {
    await access(path(name), constants.X_OK);
    assert.equal(spawnSync('bash', ['-n', path(name)]).status, 0, name);
  }
  const bin = /ln -s \/kronlens\/(\S+) /.exec(text)?.[1] ?? '';
  await access(path(bin), constants.X_OK);
});

test('the health check of a worker’s container knows whether it is well', {
  skip: noNatsServer,
  timeout: 120_000,
}, async (t) => {
  const cluster = await TestCluster.start(true);
  t.after(() => cluster.remove());
  const port = String(await freePort());
  const check = () => start('bash', [path('docker/healthy.sh'), port]).ended;
  assert.equal((await check()).code, 1);
  await cluster.startWorker('--http', port);
  const well = await check();
  assert.deepEqual([well.code, well.stdout], [0, 'ok\n']);
  await cluster.server.kill();
  await cluster.until(async () => (await check()).code === 1);
  assert.match((await check()).stdout, /is away/);
});

const noImageBuild =
  process.env.KRONLENS_TEST_IMAGES === undefined
    ? 'it installs all packages anew; KRONLENS_TEST_IMAGES=1 runs it'
    : false;

test('the build of the images works in a fresh copy', {
  skip: noImageBuild,
  timeout: 600_000,
}, async (t) => {
  const { folder, remove } = await temporaryFolder();
  t.after(remove);
  const copy = `git -C '${ROOT}' ls-files -z | (cd '${ROOT}' && xargs -0 cp --parents -t '${folder}')`;
  assert.equal(spawnSync('bash', ['-c', copy]).status, 0);
  const built = spawnSync(join(folder, 'docker/build.sh'), [], { encoding: 'utf8' });
  assert.equal(built.status, 0, built.stderr);
  await assert.rejects(access(join(folder, 'node_modules/typescript')));
  const doctor = spawnSync(
    process.execPath,
    [join(folder, 'coordinator/bin/kronlens.js'), 'worker', '--help'],
    { encoding: 'utf8' },
  );
  assert.match(doctor.stdout, /execute the tasks of a cluster/);
});
