// Files in the store come back as they were; names that lead elsewhere are refused.
import assert from 'node:assert/strict';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { create, FolderStore } from '@kronlens/proto';
import { StoredFileSchema, StoredFolderSchema } from '@kronlens/proto/nats';
import { filesBelow, inTemporaryFolder } from '../testing/result-folder.js';
import { releaseResults } from './release-results.js';
import { fetchFiles, readStoredFolder, storeFolder } from './stored-folder.js';

test('files of any length come back, and are removed but for what others hold', async () => {
  await inTemporaryFolder(async (folder) => {
    const store = new FolderStore(join(folder, 'store'));
    const from = join(folder, 'from');
    await mkdir(join(from, 'factors'), { recursive: true });
    const long = new Uint8Array(70 * 2 ** 20).map((_, index) => index % 251);
    await writeFile(join(from, 'factors', 'a.arrow'), long);
    await writeFile(join(from, 'empty'), '');
    await writeFile(join(from, 'run.json'), '{}');
    const id = await storeFolder(store, from, ['factors/a.arrow', 'empty', 'run.json']);
    const other = await storeFolder(store, from, ['run.json']);

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

    await releaseResults(store, id, [other]);
    const left = [];
    for await (const artifact of store.list()) left.push(artifact.id);
    // The other list, and the one file that it names.
    assert.equal(left.length, 2);
    await fetchFiles(store, await readStoredFolder(store, other), join(folder, 'again'));
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
