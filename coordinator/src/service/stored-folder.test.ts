// Files in the store come back as they were; names that lead elsewhere are refused.
import assert from 'node:assert/strict';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { create, FolderStore, TaskResultSchema } from '@kronlens/proto';
import { StoredFileSchema, StoredFolderSchema } from '@kronlens/proto/nats';
import { filesBelow, inTemporaryFolder } from '../testing/result-folder.js';
import { collectGarbage } from './collect-garbage.js';
import {
  fetchFiles,
  folderArtifacts,
  readStoredFolder,
  removeStoredFolder,
  storeFolder,
} from './stored-folder.js';

test('files of any length come back, and are removed without what others hold', async () => {
  await inTemporaryFolder(async (folder) => {
    const store = new FolderStore(join(folder, 'store'));
    const from = join(folder, 'from');
    await mkdir(join(from, 'factors'), { recursive: true });
    const long = new Uint8Array(70 * 2 ** 20).map((_, index) => index % 251);
    await writeFile(join(from, 'factors', 'a.arrow'), long);
    await writeFile(join(from, 'empty'), '');
    await writeFile(join(from, 'run.json'), '{}');
    const names = ['factors/a.arrow', 'empty', 'run.json'];
    const task = await store.put(new TextEncoder().encode('{}'));
    const id = await storeFolder(store, from, names, 'run a');
    const other = await storeFolder(store, from, names, 'run b');
    assert.equal(await storeFolder(store, from, names, 'run a'), id);

    const to = join(folder, 'to');
    // A fetch that was killed left this.
    await mkdir(join(to, 'factors'), { recursive: true });
    await writeFile(join(to, 'factors', 'a.arrow.123.0badcafe.tmp'), 'half');
    const stored = await readStoredFolder(store, id);
    assert.equal(stored.files[0]?.pieces.length, 2);
    await fetchFiles(store, stored, to);
    assert.deepEqual(await filesBelow(to), ['empty', 'factors/a.arrow', 'run.json']);
    assert.equal(Buffer.compare(await readFile(join(to, 'factors/a.arrow')), long), 0);
    assert.equal((await readFile(join(to, 'empty'))).length, 0);

    // Another run, and a task, hold the same bytes.
    await removeStoredFolder(store, id);
    await removeStoredFolder(store, id);
    const left = [];
    for await (const artifact of store.list()) left.push(artifact.id);
    assert.deepEqual([...left].sort(), [task, ...(await folderArtifacts(store, [other]))].sort());
    const again = join(folder, 'again');
    await fetchFiles(store, await readStoredFolder(store, other), again);
    assert.equal(Buffer.compare(await readFile(join(again, 'factors/a.arrow')), long), 0);
  });
});

test('garbage is what is old and in no folder that waits; records go with their artifacts', async () => {
  await inTemporaryFolder(async (folder) => {
    const store = new FolderStore(join(folder, 'store'));
    await writeFile(join(folder, 'run.json'), '{}');
    const list = await storeFolder(store, folder, ['run.json'], 'run a');
    const [sums, task] = [await store.put(Uint8Array.of(1, 2, 3)), 'ab'.repeat(32)];
    const artifacts = [{ name: 'sums', id: sums, byteLength: 3n }];
    await store.putResult(task, create(TaskResultSchema, { taskId: task, artifacts }));
    const results = async () => {
      const found = [];
      for await (const id of store.listResults()) found.push(id);
      return found;
    };
    let checks = 0;
    const check = async () => void checks++;
    const later = { wanted: [list], beforeMs: Date.now() + 60_000, check };
    const young = { ...later, beforeMs: Date.now() - 60_000, dryRun: false };
    assert.deepEqual(await collectGarbage(store, young), { artifacts: 0, bytes: 0 });
    const found = { artifacts: 1, bytes: 3 };
    assert.deepEqual(await collectGarbage(store, { ...later, dryRun: true }), found);
    assert.equal(await store.has(sums), true);
    assert.deepEqual(await results(), [task]);
    const stopped = async () => {
      throw new Error('a run began');
    };
    await assert.rejects(
      collectGarbage(store, { ...later, dryRun: false, check: stopped }),
      /began/,
    );
    assert.equal(await store.has(sums), true);
    assert.deepEqual(await collectGarbage(store, { ...later, dryRun: false }), found);
    assert.equal(checks, 1);
    assert.equal(await store.has(sums), false);
    assert.deepEqual(await results(), []);
    await fetchFiles(store, await readStoredFolder(store, list), join(folder, 'to'));
  });
});

test('a name that leads out of the folder is refused', async () => {
  await inTemporaryFolder(async (folder) => {
    const store = new FolderStore(join(folder, 'store'));
    for (const path of ['../outside', '/etc/outside', 'a/../../outside', '', 'a\\..\\..\\b']) {
      const file = create(StoredFileSchema, { path, pieces: [] });
      const stored = create(StoredFolderSchema, { files: [file] });
      await assert.rejects(fetchFiles(store, stored, join(folder, 'to')), {
        code: 'bad-stored-folder',
      });
    }
  });
});

test('a file whose pieces do not add up is refused, and nothing of it stays', async () => {
  await inTemporaryFolder(async (folder) => {
    const store = new FolderStore(join(folder, 'store'));
    const pieces = [await store.put(Uint8Array.of(1, 2, 3))];
    const file = create(StoredFileSchema, { path: 'a', byteLength: 4n, pieces });
    const stored = create(StoredFolderSchema, { files: [file] });
    await assert.rejects(fetchFiles(store, stored, join(folder, 'to')), /not whole/);
    assert.deepEqual(await filesBelow(join(folder, 'to')), []);
  });
});
