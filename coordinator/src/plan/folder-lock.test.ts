// One process at a time in a result folder; killed ones, reused ids and other machines included.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir, readFile, utimes, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { examplePath, kronlens } from '../testing/kronlens-process.js';
import { inTemporaryFolder } from '../testing/result-folder.js';
import { LOCK_FILE, lockFolder } from './folder-lock.js';
import { UsageError } from './usage-error.js';

const pathOf = (folder: string) => join(folder, LOCK_FILE);
const holderIn = async (folder: string) => JSON.parse(await readFile(pathOf(folder), 'utf8'));

/** Starts a process that locks the folder and waits. */
async function lockElsewhere(folder: string, first = '') {
  const module = JSON.stringify(new URL('./folder-lock.js', import.meta.url).href);
  const script = `
    import { lockFolder } from ${module};
    ${first}
    await lockFolder(${JSON.stringify(folder)});
    console.log('locked');
    setInterval(() => {}, 1000);`;
  const child = spawn(process.execPath, ['--input-type=module', '--eval', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await once(child.stdout, 'data');
  return child;
}

test('a folder is locked until it is released, also against the same process', () =>
  inTemporaryFolder(async (folder) => {
    const lock = await lockFolder(folder);
    const refusal = new UsageError(
      `--out ${folder} is being written by process ${process.pid} on ${hostname()}; wait until it has ended, or give another folder`,
    );
    await assert.rejects(lockFolder(folder), refusal);
    await lock.release();
    assert.deepEqual(await readdir(folder), []);
    await (await lockFolder(folder)).release();
  }));

test('a process that is killed keeps nobody out', () =>
  inTemporaryFolder(async (folder) => {
    const child = await lockElsewhere(folder);
    await assert.rejects(lockFolder(folder), new RegExp(`written by process ${child.pid} on`));
    child.kill('SIGKILL');
    await once(child, 'exit');
    assert.equal((await holderIn(folder)).pid, child.pid);
    // It does not wait: that would take longer than the patience given here.
    const lock = await lockFolder(folder, 1e9);
    assert.equal((await holderIn(folder)).pid, process.pid);
    await lock.release();
    assert.deepEqual(await readdir(folder), []);
  }));

test('a process that is being killed is waited for', () =>
  inTemporaryFolder(async (folder) => {
    const child = await lockElsewhere(folder, 'globalThis.much = Buffer.alloc(5e8, 1);');
    const ended = once(child, 'exit');
    child.kill('SIGKILL');
    const lock = await lockFolder(folder, 1e9);
    await lock.release();
    await ended;
  }));

test('a later process with the same id is not taken for the holder', () =>
  inTemporaryFolder(async (folder) => {
    await lockFolder(folder);
    const holder = await holderIn(folder);
    await writeFile(pathOf(folder), JSON.stringify({ ...holder, started: '1' }));
    await lockFolder(folder, 1e9);
    assert.equal((await holderIn(folder)).started, holder.started);
  }));

for (const [what, text] of [
  ['another machine', JSON.stringify({ pid: 1, started: '1', host: 'elsewhere', place: 'x' })],
  ['a process that wrote nothing yet', ''],
] as const)
  test(`a lock of ${what} counts while it is touched`, () =>
    inTemporaryFolder(async (folder) => {
      await writeFile(pathOf(folder), text);
      let seconds = 1e9;
      const beat = setInterval(() => utimes(pathOf(folder), seconds, seconds++), 20);
      await assert.rejects(lockFolder(folder, 5000), /is being written by .*; wait until/);
      clearInterval(beat);
      const lock = await lockFolder(folder, 200);
      assert.equal((await holderIn(folder)).pid, process.pid);
      await lock.release();
    }));

test('of several processes that find a stale lock one gets it', () =>
  inTemporaryFolder(async (folder) => {
    const lock = await lockFolder(folder);
    await writeFile(pathOf(folder), JSON.stringify({ ...(await holderIn(folder)), started: '1' }));
    const tries = await Promise.allSettled(Array.from({ length: 6 }, () => lockFolder(folder)));
    assert.equal(tries.filter(({ status }) => status === 'fulfilled').length, 1);
    await lock.release();
  }));

test('kronlens analyze refuses a folder that another process writes, and leaves it as it is', () =>
  inTemporaryFolder(async (folder) => {
    const lock = await lockFolder(folder);
    const model = examplePath('digits/mlp.onnx');
    const data = examplePath('digits/digits.npz');
    const options = ['--data', data, '--out', folder, '--samples', '8', '--measure', 'factors'];
    const refused = await kronlens('analyze', model, ...options);
    assert.equal(refused.code, 2, refused.stderr);
    assert.match(refused.stderr, /--out .* is being written by process \d+ on .*; wait until/);
    assert.deepEqual(await readdir(folder), [LOCK_FILE]);
    await lock.release();
    const done = await kronlens('analyze', model, ...options);
    assert.equal(done.code, 0, done.stderr);
    assert.ok(!(await readdir(folder)).includes(LOCK_FILE));
  }));
