// Interrupted runs: killed at several moments and resumed, they end with the same bytes.
import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { WORK_FOLDER } from '../plan/output-folder.js';
import type { RunRecord } from '../plan/run-record.js';
import { examplePath, kronlens, startKronlens } from '../testing/kronlens-process.js';
import { writeNpy } from '../testing/npy-file.js';
import { digests, inTemporaryFolder } from '../testing/result-folder.js';

const LENET = examplePath('digits/lenet.onnx');
const DIGITS = examplePath('digits/digits.npz');
/** Many small tasks, so that there is time to interrupt. */
const SLOW = ['--batch', '8', '--shard', '8'];
const TASKS = Math.ceil(1797 / 8);

const command = (out: string, ...more: readonly string[]) => [
  ...['analyze', LENET, '--data', DIGITS, '--out', out],
  ...SLOW,
  ...more,
];
const record = async (out: string): Promise<RunRecord> =>
  JSON.parse(await readFile(join(out, 'run.json'), 'utf8'));

async function count(folder: string): Promise<number> {
  try {
    return (await readdir(folder)).filter((name) => !name.endsWith('.tmp')).length;
  } catch {
    return 0;
  }
}

/** Starts a run and ends it as soon as so many files are in a subfolder. */
async function interrupt(
  out: string,
  signal: 'SIGKILL' | 'SIGINT' | 'SIGTERM',
  subfolder: string,
  files: number,
  ...more: readonly string[]
) {
  const running = startKronlens(...command(out, ...more));
  let isOver = false;
  void running.ended.then(() => {
    isOver = true;
  });
  while (!isOver && (await count(join(out, subfolder))) < files) await sleep(2);
  running.kill(signal);
  return await running.ended;
}

test('killed in any stage and resumed, a run ends with the same bytes', () =>
  inTemporaryFolder(async (folder) => {
    const whole = join(folder, 'whole');
    const first = await kronlens(...command(whole));
    assert.equal(first.code, 0, first.stderr);
    const expected = await digests(whole);

    const out = join(folder, 'killed');
    const results = join(WORK_FOLDER, 'results');
    const moments = [
      [results, 10],
      [results, TASKS / 2],
      ['factors', 2],
      [results, TASKS + 4],
    ] as const;
    for (const [index, [subfolder, files]] of moments.entries()) {
      const resume = index === 0 ? [] : ['--resume'];
      const { code } = await interrupt(out, 'SIGKILL', subfolder, files, ...resume);
      assert.equal(code, null, `it was over before ${files} files were in ${subfolder}`);
      const { status, timings } = await record(out);
      assert.deepEqual([status, timings.resumed], ['running', index]);
    }
    const without = await kronlens(...command(out));
    assert.equal(without.code, 2);
    assert.match(without.stderr, /it holds an unfinished run; add --resume to finish it/);
    const { code, stderr } = await kronlens(...command(out, '--resume'));
    assert.equal(code, 0, stderr);
    assert.deepEqual(await digests(out), expected);
    assert.equal((await record(out)).timings.resumed, moments.length);
  }));

test('SIGINT and SIGTERM end a run cleanly, to be resumed', () =>
  inTemporaryFolder(async (folder) => {
    const out = join(folder, 'out');
    const results = join(WORK_FOLDER, 'results');
    for (const signal of ['SIGINT', 'SIGTERM'] as const) {
      const resume = signal === 'SIGINT' ? [] : ['--resume'];
      const before = await count(join(out, results));
      const { code, stdout, stderr } = await interrupt(out, signal, results, before + 5, ...resume);
      assert.equal(code, 130, stderr);
      assert.equal(stdout, '');
      assert.match(stderr, /^kronlens: interrupted; run again with --resume to finish$/m);
      assert.doesNotMatch(stderr, /^ +at /m);
      assert.equal((await record(out)).status, 'running');
    }
    const kept = await count(join(out, results));
    assert.ok(kept >= 10 && kept < TASKS, `${kept} results`);
    const { code, stderr } = await kronlens(...command(out, '--resume'));
    assert.equal(code, 0, stderr);
  }));

test('--resume goes on with the same run only, and has nothing to do when it is finished', () =>
  inTemporaryFolder(async (folder) => {
    const data = join(folder, 'x.npy');
    const writeData = (first: number) => {
      const values = Float32Array.from({ length: 200 * 64 }, (_, i) => (i === 0 ? first : i % 7));
      return writeNpy(data, values, [200, 1, 8, 8]);
    };
    await writeData(0);
    const out = join(folder, 'out');
    const again = (...more: readonly string[]) =>
      kronlens('analyze', LENET, '--data', data, '--out', out, ...more);
    const first = await again('--resume');
    assert.equal(first.code, 0, first.stderr);
    const before = await digests(out);

    const finished = await again('--resume');
    assert.equal(finished.code, 0, finished.stderr);
    assert.match(finished.stderr, /out holds the finished run; nothing is to be done/);
    assert.equal(finished.stdout, first.stdout);

    for (const [more, message] of [
      [['--seed', '7'], /--seed was 0, now it is 7/],
      [['--layers', 'fc1'], /--layers was none, now it is fc1/],
      [['--top', '3'], /--top was 50, now it is 3/],
    ] as const) {
      const { code, stderr } = await again('--resume', ...more);
      assert.equal(code, 2);
      assert.match(stderr, message);
    }
    const other = await kronlens(
      ...['analyze', examplePath('digits/mlp.onnx'), '--data', data, '--out', out],
      '--resume',
    );
    assert.equal(other.code, 2);
    assert.match(other.stderr, /the model differs/);
    await writeData(1);
    const changed = await again('--resume');
    assert.equal(changed.code, 2);
    assert.match(changed.stderr, /the data differ: .*x\.npy is not the file/);
    assert.deepEqual(await digests(out), before);
  }));
