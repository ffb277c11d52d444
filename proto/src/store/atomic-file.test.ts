// A file appears whole or not at all, and a full device is named.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { DiskFullError } from '../errors/kronlens-error.js';
import { isDiskFull, writeFileAtomic } from './atomic-file.js';
import { FolderStore } from './folder-store.js';

async function newFolder(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'kronlens-file-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

test('writes and replaces, leaving nothing else behind', async (t) => {
  const folder = await newFolder(t);
  const path = join(folder, 'run.json');
  await writeFileAtomic(path, '{"a": 1}');
  await writeFileAtomic(path, new Uint8Array([1, 2, 3]));
  assert.deepEqual(new Uint8Array(await readFile(path)), new Uint8Array([1, 2, 3]));
  assert.deepEqual(await readdir(folder), ['run.json']);
});

test('when the name is taken by a folder, that stays and the temporary file goes', async (t) => {
  const folder = await newFolder(t);
  await mkdir(join(folder, 'taken'));
  await writeFile(join(folder, 'taken', 'inside'), 'x');
  await assert.rejects(writeFileAtomic(join(folder, 'taken'), 'x'), { code: /EISDIR|ENOTEMPTY/ });
  assert.deepEqual(await readdir(folder), ['taken']);
});

test('an error other than a full device is passed on as it is', async (t) => {
  const folder = await newFolder(t);
  await assert.rejects(writeFileAtomic(join(folder, 'absent', 'x'), 'x'), { code: 'ENOENT' });
});

test('many writers of one name leave one of their contents', async (t) => {
  const folder = await newFolder(t);
  const contents = Array.from({ length: 20 }, (_, i) => `${i}`.repeat(5000));
  await Promise.all(contents.map((content) => writeFileAtomic(join(folder, 'x'), content)));
  assert.ok(contents.includes(await readFile(join(folder, 'x'), 'utf8')));
  assert.deepEqual(await readdir(folder), ['x']);
});

test('the codes of a full device and of an exhausted quota count', () => {
  assert.equal(isDiskFull(Object.assign(new Error(), { code: 'ENOSPC' })), true);
  assert.equal(isDiskFull(Object.assign(new Error(), { code: 'EDQUOT' })), true);
  assert.equal(isDiskFull(Object.assign(new Error(), { code: 'EACCES' })), false);
  assert.equal(isDiskFull(undefined), false);
});

test('a full device gives one clear error and nothing half-written', async (t) => {
  const folder = await newFolder(t);
  const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=256k', 'kronlens', folder]);
  if (mounted.status !== 0) {
    t.skip('mounting a small tmpfs needs root');
    return;
  }
  try {
    const path = join(folder, 'big.arrow');
    await assert.rejects(writeFileAtomic(path, new Uint8Array(2 ** 20)), (error) => {
      assert.ok(error instanceof DiskFullError);
      assert.ok(isDiskFull(error.cause));
      assert.equal(
        error.message,
        `no space left on the device of '${folder}'; free some and run again with --resume`,
      );
      return true;
    });
    assert.deepEqual(await readdir(folder), []);
    const store = new FolderStore(join(folder, 'store'));
    await assert.rejects(store.put(new Uint8Array(2 ** 20)), DiskFullError);
    const id = await store.put(new Uint8Array(1000));
    assert.equal((await store.get(id)).length, 1000);
  } finally {
    spawnSync('umount', [folder]);
  }
});
