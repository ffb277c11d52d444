// The folder store keeps what it is given, notices damage, and survives its writers.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { create } from '@bufbuild/protobuf';
import fc from 'fast-check';
import { TaskResultSchema } from '../gen/kronlens/v1/task_pb.js';
import { ArtifactCorruptError, ArtifactMissingError, contentId } from './artifact-store.js';
import { FolderStore } from './folder-store.js';

fc.configureGlobal({ seed: 20 });

const TASK = 'a1'.repeat(32);
const bytesOf = (text: string) => new TextEncoder().encode(text);

async function newStore(t: TestContext): Promise<FolderStore> {
  const folder = await mkdtemp(join(tmpdir(), 'kronlens-store-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  return new FolderStore(folder);
}

const pathOf = (store: FolderStore, id: string) =>
  join(store.folder, 'artifacts', id.slice(0, 2), id);

async function listed(store: FolderStore): Promise<string[]> {
  const ids: string[] = [];
  for await (const { id } of store.list()) ids.push(id);
  return ids;
}

const resultOf = (...ids: string[]) =>
  create(TaskResultSchema, {
    taskId: TASK,
    artifacts: ids.map((id) => ({ name: 'sums', id, byteLength: 1n })),
    elapsedMs: 2,
  });

test('any bytes come back under their SHA-256', async (t) => {
  const store = await newStore(t);
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 300 }), async (bytes) => {
      const id = await store.put(bytes);
      assert.equal(id, contentId(bytes));
      assert.deepEqual(new Uint8Array(await store.get(id)), bytes);
      assert.equal(await store.has(id), true);
    }),
    { numRuns: 30 },
  );
});

test('the id is the SHA-256 that others compute', () => {
  assert.equal(
    contentId(bytesOf('abc')),
    'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad',
  );
});

test('the same bytes are stored once, and listed with their length', async (t) => {
  const store = await newStore(t);
  const id = await store.put(bytesOf('same'));
  assert.equal(await store.put(bytesOf('same')), id);
  const other = await store.put(bytesOf('other'));
  const found = new Map<string, number>();
  for await (const artifact of store.list()) found.set(artifact.id, artifact.byteLength);
  assert.deepEqual(
    found,
    new Map(
      [
        [id, 4],
        [other, 5],
      ].sort() as [string, number][],
    ),
  );
});

test('a new store is empty', async (t) => {
  const store = new FolderStore(join((await newStore(t)).folder, 'not', 'there'));
  assert.deepEqual(await listed(store), []);
  assert.equal(await store.has(TASK), false);
  assert.equal(await store.getResult(TASK), undefined);
  await store.delete(TASK);
  await assert.rejects(store.get(TASK), ArtifactMissingError);
});

test('a deleted artifact is gone and can be put again', async (t) => {
  const store = await newStore(t);
  const id = await store.put(bytesOf('x'));
  await store.delete(id);
  assert.equal(await store.has(id), false);
  await assert.rejects(store.get(id), {
    name: 'ArtifactMissingError',
    message: `artifact ${id} is not in ${store.folder}`,
  });
  assert.equal(await store.put(bytesOf('x')), id);
  assert.equal(await store.has(id), true);
});

test('a flipped bit is noticed when reading', async (t) => {
  const store = await newStore(t);
  const id = await store.put(bytesOf('some sums'));
  const damaged = await readFile(pathOf(store, id));
  damaged[3] = (damaged[3] ?? 0) ^ 1;
  await writeFile(pathOf(store, id), damaged);
  await assert.rejects(store.get(id), ArtifactCorruptError);
});

test('a truncated artifact is noticed when reading, and replaced when put again', async (t) => {
  const store = await newStore(t);
  const id = await store.put(bytesOf('some sums'));
  await writeFile(pathOf(store, id), 'some');
  await assert.rejects(store.get(id), ArtifactCorruptError);
  await store.put(bytesOf('some sums'));
  assert.deepEqual(new Uint8Array(await store.get(id)), bytesOf('some sums'));
});

test('what is no artifact is not listed', async (t) => {
  const store = await newStore(t);
  const id = await store.put(bytesOf('x'));
  await writeFile(`${pathOf(store, id)}.123.abcd.tmp`, 'half');
  await writeFile(join(store.folder, 'artifacts', 'notes.txt'), 'mine');
  await mkdir(pathOf(store, `${id.slice(0, 2)}${'0'.repeat(62)}`));
  assert.deepEqual(await listed(store), [id]);
});

test('an id that may be a path is refused', async (t) => {
  const store = await newStore(t);
  await writeFile(join(store.folder, 'secret'), 'secret');
  for (const id of ['', '../secret', `${'a'.repeat(63)}/`, 'A1'.repeat(32), `${TASK}\n`]) {
    const refusal = { name: 'KronlensError', code: 'bad-artifact-id' };
    await assert.rejects(store.get(id), refusal, `get ${id}`);
    await assert.rejects(store.has(id), refusal, `has ${id}`);
    await assert.rejects(store.delete(id), refusal, `delete ${id}`);
    await assert.rejects(store.getResult(id), refusal, `getResult ${id}`);
    await assert.rejects(store.putResult(id, resultOf()), refusal, `putResult ${id}`);
  }
});

test('a result is recorded, and counts only while its artifacts are there', async (t) => {
  const store = await newStore(t);
  const ids = [await store.put(bytesOf('a')), await store.put(bytesOf('b'))];
  assert.equal(await store.getResult(TASK), undefined);
  await store.putResult(TASK, resultOf(...ids));
  assert.deepEqual(await store.getResult(TASK), resultOf(...ids));
  await store.delete(ids[1] ?? '');
  assert.equal(await store.getResult(TASK), undefined);
  await store.put(bytesOf('b'));
  assert.deepEqual(await store.getResult(TASK), resultOf(...ids));
});

test('an unreadable record counts as none', async (t) => {
  const store = await newStore(t);
  await store.putResult(TASK, resultOf());
  await writeFile(join(store.folder, 'results', TASK), 'not a result');
  assert.equal(await store.getResult(TASK), undefined);
});

/** Runs a module in another process, with a store on `folder`. */
function inProcess(folder: string, body: string) {
  const source = `
    import { FolderStore } from ${JSON.stringify(new URL('./folder-store.js', import.meta.url).href)};
    const store = new FolderStore(${JSON.stringify(folder)});
    ${body}`;
  return spawn(process.execPath, ['--input-type=module', '-e', source], { stdio: 'inherit' });
}

test('processes that write the same artifacts at once do not disturb each other', async (t) => {
  const store = await newStore(t);
  const count = 60;
  const body = `
    for (let i = 0; i < ${count}; i++) {
      const bytes = new Uint8Array(20000).fill(i);
      const id = await store.put(bytes);
      if ((await store.get(id)).length !== 20000) throw new Error('short');
    }`;
  const children = [inProcess(store.folder, body), inProcess(store.folder, body)];
  for (const [code] of await Promise.all(children.map((child) => once(child, 'exit'))))
    assert.equal(code, 0);
  const ids = await listed(store);
  assert.equal(ids.length, count);
  for (const id of ids) await store.get(id);
  const files = await readdir(store.folder, { recursive: true });
  assert.deepEqual(
    files.filter((name) => name.endsWith('.tmp')),
    [],
  );
});

test('a killed writer leaves nothing that looks finished', async (t) => {
  const store = await newStore(t);
  const child = inProcess(
    store.folder,
    'for (let i = 0; ; i++) await store.put(new Uint8Array(3e6).fill(i));',
  );
  const exited = once(child, 'exit');
  const temporary = async () =>
    (await readdir(store.folder, { recursive: true })).some((name) => name.endsWith('.tmp'));
  while (!(await temporary())) assert.equal(child.exitCode, null, 'the writer failed');
  child.kill('SIGKILL');
  assert.equal((await exited)[1], 'SIGKILL');
  const ids = await listed(store);
  for (const id of ids) assert.equal((await store.get(id)).length, 3e6);
});
